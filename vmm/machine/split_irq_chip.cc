#include "vmm/machine/split_irq_chip.h"

#include "base/log.h"
#include "base/status.h"
#include "devices/platform/ioapic/ioapic_registers.h"
#include "devices/platform/pic/pic_registers.h"
#include "devices/platform/pit/pit_registers.h"
#include "hypervisor/default_irq_routes.h"
#include "vmm/machine/boot/memory_layout.h"

namespace touchstone {

static_assert(kIoapicInputs == kIoapicPins && Pic::kInputs == 2 * kPicPins);

SplitIrqChip::SplitIrqChip()
    : pic_([this](bool level) {
        Vcpu* const vcpu = boot_vcpu_.load(std::memory_order_acquire);  // pairs with SetBootVcpu
        if (level && vcpu != nullptr) vcpu->Kick();
      }) {}

void SplitIrqChip::ConnectIoapic(IoapicTarget& target) { ioapic_.emplace(target); }

absl::Status SplitIrqChip::AddTo(Bus& ports, Bus& mmio, const MachineHost& host, IrqLine& timer) {
  CHECK(ioapic_.has_value());
  pit_.emplace(*host.clock, *host.loop, timer);
  RETURN_IF_ERROR(ports.Insert({kPicPrimaryPort, kPicPortCount}, "PIC", &pic_.primary()));
  RETURN_IF_ERROR(
      ports.Insert({kPicSecondaryPort, kPicPortCount}, "second PIC", &pic_.secondary()));
  RETURN_IF_ERROR(
      ports.Insert({kPicTriggerPort, kPicTriggerPortCount}, "PIC triggers", &pic_.trigger()));
  RETURN_IF_ERROR(ports.Insert({kPitPort, kPitPortCount}, "PIT", &*pit_));
  RETURN_IF_ERROR(
      ports.Insert({kPitSpeakerPort, kPitSpeakerPortCount}, "speaker", &pit_->speaker()));
  return mmio.Insert({Raw(kIoapicAddress), kIoapicSize}, "IOAPIC", &*ioapic_);
}

void SplitIrqChip::SetInput(uint32_t gsi, bool level) {
  if (gsi < Pic::kInputs) pic_.SetInput(static_cast<int>(gsi), level);
  ioapic_->SetInput(static_cast<int>(gsi), level);
}

void SplitIrqChip::EndOfInterrupt(uint8_t vector) { ioapic_->EndOfInterrupt(vector); }

}  // namespace touchstone
