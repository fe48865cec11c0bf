// Saving and restoring PIC, IOAPIC and PIT.
//
// Each part of an IrqChipState is a version byte and KVM's ABI struct of that part as it is
// (kvm_pic_state, kvm_ioapic_state, kvm_pit_state2); the PIT's counts have their age instead of the
// host's time when they were loaded.

#ifndef TOUCHSTONE_HYPERVISOR_KVM_KVM_IRQCHIP_STATE_H_
#define TOUCHSTONE_HYPERVISOR_KVM_KVM_IRQCHIP_STATE_H_

#include <cstdint>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "hypervisor/x86_64/state.h"

namespace touchstone {

inline constexpr uint8_t kKvmIrqChipVersion = 2;

absl::StatusOr<IrqChipState> GetKvmIrqChip(int vm_fd);

// InvalidArgument, and nothing changed, when a part has another version or size.
absl::Status SetKvmIrqChip(int vm_fd, const IrqChipState& state);

}  // namespace touchstone

#endif  // TOUCHSTONE_HYPERVISOR_KVM_KVM_IRQCHIP_STATE_H_
