// Between the state structs of hypervisor/x86_64 and the ABI structs of <linux/kvm.h>.
//
// Pure functions: each pair is the inverse of the other for every value that KVM gives or takes.
// Fields of the ABI that have no counterpart are written as zero.

#ifndef TOUCHSTONE_HYPERVISOR_KVM_KVM_STATE_H_
#define TOUCHSTONE_HYPERVISOR_KVM_KVM_STATE_H_

#include <optional>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "hypervisor/kvm/kvm_abi.h"
#include "hypervisor/kvm/kvm_capabilities.h"
#include "hypervisor/x86_64/state.h"

namespace touchstone {

kvm_regs ToKvm(const GeneralRegisters& registers);
GeneralRegisters FromKvm(const kvm_regs& registers);

kvm_sregs ToKvm(const SpecialRegisters& registers);
SpecialRegisters FromKvm(const kvm_sregs& registers);

kvm_debugregs ToKvm(const DebugRegisters& registers);
DebugRegisters FromKvm(const kvm_debugregs& registers);

kvm_cpuid_entry2 ToKvm(const CpuidEntry& entry);
CpuidEntry FromKvm(const kvm_cpuid_entry2& entry);

// The events proper; run state and debug registers have calls of their own. Only what
// `capabilities` has is marked valid.
kvm_vcpu_events ToKvmEvents(const VcpuEvents& events, const KvmCapabilities& capabilities);
// Fills the fields of `events` that ToKvmEvents takes.
void FromKvmEvents(const kvm_vcpu_events& kvm, VcpuEvents& events);

// KVM_SET_MP_STATE's number for a run state. A number that no RunState stands for is an error.
kvm_mp_state ToKvm(RunState state);
absl::StatusOr<RunState> FromKvm(const kvm_mp_state& state);

// The control word of KVM_SET_GUEST_DEBUG with DR7 as SDM vol. 3, 17.2.4 lays it out. An error for
// a size that does not exist or an execution breakpoint of a size other than 1.
absl::StatusOr<kvm_guest_debug> ToKvm(const DebugControl& control);

}  // namespace touchstone

#endif  // TOUCHSTONE_HYPERVISOR_KVM_KVM_STATE_H_
