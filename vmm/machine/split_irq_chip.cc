#include "vmm/machine/split_irq_chip.h"

#include "absl/strings/str_cat.h"
#include "base/log.h"
#include "base/status.h"
#include "devices/platform/ioapic/ioapic_registers.h"
#include "devices/platform/pic/pic_registers.h"
#include "devices/platform/pit/pit_registers.h"
#include "hypervisor/default_irq_routes.h"
#include "vmm/machine/boot/memory_layout.h"
#include "vmm/machine/platform_state.h"
#include "vmm/machine/platform_state.pb.h"

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

void SplitIrqChip::Save(SplitIrqChipSaved& saved) {
  // The timer first: what it is due to raise, it raises now.
  const PitState pit = pit_->Save();
  for (const PitCounterState& counter : pit.counters) SaveTo(counter, *saved.add_counters());
  saved.set_speaker_data(pit.speaker_data);
  const PicState pic = pic_.Save();
  SaveTo(pic.primary, *saved.mutable_primary());
  SaveTo(pic.secondary, *saved.mutable_secondary());
  SaveTo(ioapic_->Save(), *saved.mutable_ioapic());
}

absl::Status SplitIrqChip::Restore(const SplitIrqChipSaved& saved) {
  PitState pit = {.speaker_data = saved.speaker_data()};
  if (saved.counters_size() != static_cast<int>(pit.counters.size())) {
    return absl::InvalidArgumentError(absl::StrCat("PIT: ", saved.counters_size(), " counters"));
  }
  for (size_t i = 0; i < pit.counters.size(); ++i) {
    ASSIGN_OR_RETURN(pit.counters[i], ReadFrom(saved.counters(static_cast<int>(i))));
  }
  PicState pic;
  ASSIGN_OR_RETURN(pic.primary, ReadFrom(saved.primary()));
  ASSIGN_OR_RETURN(pic.secondary, ReadFrom(saved.secondary()));
  RETURN_IF_ERROR(pit_->Restore(pit));
  RETURN_IF_ERROR(pic_.Restore(pic));
  return RestoreFrom(saved.ioapic(), "IOAPIC", *ioapic_);
}

}  // namespace touchstone
