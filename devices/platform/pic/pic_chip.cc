#include "devices/platform/pic/pic_chip.h"

#include <bit>
#include <utility>

#include "base/bits.h"

namespace touchstone {

void PicChip::SetInput(int input, bool level) {
  const auto bit = Bit<uint8_t>(input);
  if (level && (state_.inputs & bit) == 0) state_.edges |= bit & ~LevelInputs();
  state_.inputs = level ? state_.inputs | bit : state_.inputs & ~bit;
}

uint8_t PicChip::LevelInputs() const { return state_.all_level ? 0xff : state_.level | cascade_; }

uint8_t PicChip::Pending() const {
  const uint8_t level = LevelInputs();
  return (state_.inputs & level) | (state_.edges & ~level);
}

uint8_t PicChip::MostUrgent(uint8_t inputs) const {
  for (int i = 1; i <= kPicInputs; ++i) {
    const auto bit = Bit<uint8_t>((state_.lowest + i) % kPicInputs);
    if ((inputs & bit) != 0) return bit;
  }
  return 0;
}

uint8_t PicChip::Request() const {
  const uint8_t request = MostUrgent(Pending() & ~state_.mask);
  if (request == 0) return 0;
  uint8_t serving = state_.in_service;
  // Data sheet, "Special Mask Mode": an input that is masked does not keep others out.
  if (state_.special_mask) serving &= ~state_.mask;
  // "Special Fully Nested Mode": nor does the other chip, which knows more urgent ones of its own.
  if (state_.fully_nested) serving &= ~(request & cascade_);
  return MostUrgent(serving | request) == request && (serving & request) == 0 ? request : 0;
}

uint8_t PicChip::Acknowledge() {
  const uint8_t request = Request();
  if (request == 0) return kPicSpuriousInput;
  state_.edges &= ~request;
  state_.in_service |= request;
  // "Automatic End of Interrupt Mode": a non-specific EOI at the last INTA.
  if (state_.auto_eoi) End(request, state_.auto_rotate);
  return static_cast<uint8_t>(std::countr_zero(request));
}

uint8_t PicChip::Read(uint64_t offset) {
  // "Poll Command": the next read, of whichever port, is treated as an INTA.
  if (std::exchange(state_.poll, false)) {
    if (!output()) return 0;
    return kPicPollInterrupt | Acknowledge();
  }
  if (offset == kPicDataOffset) return state_.mask;
  return state_.read_in_service ? state_.in_service : Pending();
}

void PicChip::Write(uint64_t offset, uint8_t value) {
  if (offset == kPicDataOffset) return WriteData(value);
  if ((value & kPicIcw1) != 0) return Initialize(value);
  if ((value & kPicOcw3) == 0) return Command(value);
  if ((value & kPicOcw3SetSpecialMask) != 0) {
    state_.special_mask = (value & kPicOcw3SpecialMask) != 0;
  }
  state_.poll = (value & kPicOcw3Poll) != 0;
  if ((value & kPicOcw3SetRead) != 0) {
    state_.read_in_service = (value & kPicOcw3ReadInService) != 0;
  }
}

// "Initialization Command Word 1": what it clears. ISR is not in that list, but a chip that kept it
// would keep out the interrupts of the kernel that is started next.
void PicChip::Initialize(uint8_t icw1) {
  PicChipState fresh;
  fresh.inputs = state_.inputs;
  fresh.level = state_.level;
  fresh.vector = state_.vector;
  fresh.all_level = (icw1 & kPicIcw1Level) != 0;
  fresh.single = (icw1 & kPicIcw1Single) != 0;
  fresh.icw4_follows = (icw1 & kPicIcw1Icw4) != 0;
  fresh.next_icw = 2;
  state_ = fresh;
}

// "Initialization Sequence", figure 6. Which input the cascade is on, ICW3, is wired here.
void PicChip::WriteData(uint8_t value) {
  const uint8_t last_step = state_.icw4_follows ? 4 : 0;
  switch (state_.next_icw) {
    case 2:
      state_.vector = value & kPicVectorMask;
      state_.next_icw = state_.single ? last_step : 3;
      break;
    case 3:
      state_.next_icw = last_step;
      break;
    case 4:
      state_.auto_eoi = (value & kPicIcw4AutoEoi) != 0;
      state_.fully_nested = (value & kPicIcw4FullyNested) != 0;
      state_.next_icw = 0;
      break;
    default:
      state_.mask = value;
      break;
  }
}

void PicChip::Command(uint8_t ocw2) {
  const uint8_t level = ocw2 & kPicOcw2Level;
  uint8_t serving = state_.in_service;
  // "Special Mask Mode": a non-specific EOI does not reach an input that is masked.
  if (state_.special_mask) serving &= ~state_.mask;
  switch (ocw2 & kPicOcw2Command) {
    case kPicAutoRotateClear:
      state_.auto_rotate = false;
      break;
    case kPicAutoRotateSet:
      state_.auto_rotate = true;
      break;
    case kPicEoi:
      End(MostUrgent(serving), false);
      break;
    case kPicRotateEoi:
      End(MostUrgent(serving), true);
      break;
    case kPicSpecificEoi:
      End(Bit<uint8_t>(level), false);
      break;
    case kPicRotateSpecificEoi:
      End(Bit<uint8_t>(level), true);
      break;
    case kPicSetPriority:
      state_.lowest = level;
      break;
    default:
      break;  // "no operation"
  }
}

void PicChip::End(uint8_t inputs, bool rotate) {
  state_.in_service &= ~inputs;
  if (rotate && inputs != 0) state_.lowest = static_cast<uint8_t>(std::countr_zero(inputs));
}

bool PicChip::Restore(const PicChipState& state) {
  const bool impossible =
      (state.level & ~level_mask_) != 0 || (state.vector & ~kPicVectorMask) != 0 ||
      state.lowest >= kPicInputs || state.next_icw == 1 || state.next_icw > 4 ||
      (state.next_icw == 3 && state.single) || (state.next_icw == 4 && !state.icw4_follows);
  if (impossible) return false;
  state_ = state;
  return true;
}

}  // namespace touchstone
