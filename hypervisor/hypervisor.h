// A hypervisor: what makes virtual machines. kvm/ is the real one, fake/ works without one, mock/
// is for error paths.
//
// This layer never sees devices, and devices never see it; vmm/machine joins them.

#ifndef TOUCHSTONE_HYPERVISOR_HYPERVISOR_H_
#define TOUCHSTONE_HYPERVISOR_HYPERVISOR_H_

#include <cstdint>
#include <memory>
#include <vector>

#include "absl/status/statusor.h"
#include "hypervisor/vm.h"

namespace touchstone {

// Thread-safe.
class Hypervisor {
 public:
  virtual ~Hypervisor() = default;

  virtual absl::StatusOr<std::unique_ptr<Vm>> CreateVm() = 0;

  // The CPUID leaves that a guest can be given on this host with the hypervisor's own local APIC.
  virtual absl::StatusOr<std::vector<CpuidEntry>> SupportedCpuid() = 0;

  // The MSRs that make up a vCPU's state.
  virtual absl::StatusOr<std::vector<uint32_t>> StateMsrs() = 0;

  // The largest number of vCPUs of one VM.
  [[nodiscard]] virtual uint32_t max_vcpus() const = 0;
};

}  // namespace touchstone

#endif  // TOUCHSTONE_HYPERVISOR_HYPERVISOR_H_
