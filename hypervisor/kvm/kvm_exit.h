// KVM's run area (api.rst 5) as a VcpuExit.

#ifndef TOUCHSTONE_HYPERVISOR_KVM_KVM_EXIT_H_
#define TOUCHSTONE_HYPERVISOR_KVM_KVM_EXIT_H_

#include <cstddef>

#include "hypervisor/kvm/kvm_abi.h"
#include "hypervisor/vcpu_exit.h"

namespace touchstone {

// Translates what KVM_RUN left in `run`, the start of a mapping of `run_size` bytes. The spans of
// I/O and MMIO exits point into that mapping; what does not fit there becomes an InternalErrorExit.
// Allocates only for InternalErrorExit.
VcpuExit TranslateKvmExit(kvm_run& run, size_t run_size);

// An InternalErrorExit of our own: KVM broke its interface.
inline constexpr uint32_t kMalformedExitSuberror = 0xFFFFFFFF;

}  // namespace touchstone

#endif  // TOUCHSTONE_HYPERVISOR_KVM_KVM_EXIT_H_
