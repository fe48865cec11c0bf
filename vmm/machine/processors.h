// The processors of a machine as the guest finds them: APIC ids, CPUID, and which of them boots.

#ifndef TOUCHSTONE_VMM_MACHINE_PROCESSORS_H_
#define TOUCHSTONE_VMM_MACHINE_PROCESSORS_H_

#include <cstdint>
#include <vector>

#include "absl/status/statusor.h"
#include "hypervisor/hypervisor.h"
#include "vmm/config/config.pb.h"

namespace touchstone {

struct Processors {
  // By vCPU.
  std::vector<uint32_t> apic_ids;
  std::vector<std::vector<CpuidEntry>> cpuid;
  // The vCPU that starts first.
  uint32_t boot = 0;
  // Width of a guest-physical address.
  int physical_bits = 0;

  // The APIC ids as firmware lists them: the boot processor is the first (ACPI 6.4, 5.2.12.1).
  [[nodiscard]] std::vector<uint32_t> InBootOrder() const;
};

// Errors name the option. REQUIRES: `config` is validated and has its defaults.
absl::StatusOr<Processors> PlanProcessors(const RunConfig& config, Hypervisor& hypervisor);

}  // namespace touchstone

#endif  // TOUCHSTONE_VMM_MACHINE_PROCESSORS_H_
