// A vCPU's state as a message, and back, in the order that hypervisors want (api.rst 4.12 and on;
// SDM vol. 3): how fast its counter counts before the counter, the APIC's base before the APIC, the
// APIC before its deadline, and what is pending last.
//
// Thread-compatible. The vCPU stands still meanwhile.

#ifndef TOUCHSTONE_VMM_MACHINE_VCPU_STATE_H_
#define TOUCHSTONE_VMM_MACHINE_VCPU_STATE_H_

#include <cstdint>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "hypervisor/vcpu.h"
#include "vmm/machine/vcpu_state.pb.h"

namespace touchstone {

// `msrs` are Hypervisor::StateMsrs. Errors are the hypervisor's, or FailedPrecondition for a vCPU
// that is a hypervisor itself, whose state would not be whole.
absl::StatusOr<VcpuState> SaveVcpu(Vcpu& vcpu, absl::Span<const uint32_t> msrs);

// Which of the machine's vCPUs is restored: all count from one time stamp, which the first sets.
enum class VcpuRank { kFirst, kLater };

// InvalidArgument names what in `state` no vCPU can have; other errors are the hypervisor's and
// name what it refused.
absl::Status RestoreVcpu(const VcpuState& state, absl::Span<const uint32_t> msrs, VcpuRank rank,
                         Vcpu& vcpu);

}  // namespace touchstone

#endif  // TOUCHSTONE_VMM_MACHINE_VCPU_STATE_H_
