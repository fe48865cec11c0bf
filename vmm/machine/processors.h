// The processors of a machine as the guest finds them: APIC ids, CPUID, and which of them boots.

#ifndef TOUCHSTONE_VMM_MACHINE_PROCESSORS_H_
#define TOUCHSTONE_VMM_MACHINE_PROCESSORS_H_

#include <algorithm>
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
  [[nodiscard]] std::vector<uint32_t> InBootOrder() const { return InBootOrder(apic_ids); }
  // Any property of theirs in the same order. REQUIRES: one for each vCPU.
  template <typename T>
  [[nodiscard]] std::vector<T> InBootOrder(std::vector<T> by_vcpu) const {
    const auto first = by_vcpu.begin() + boot;
    std::rotate(by_vcpu.begin(), first, first + 1);
    return by_vcpu;
  }
};

// Errors name the option. REQUIRES: `config` is validated and has its defaults.
absl::StatusOr<Processors> PlanProcessors(const RunConfig& config, Hypervisor& hypervisor);

}  // namespace touchstone

#endif  // TOUCHSTONE_VMM_MACHINE_PROCESSORS_H_
