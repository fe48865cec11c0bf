#include "devices/platform/pic/pic.h"

#include <cstddef>
#include <utility>

#include "base/bits.h"
#include "base/log.h"

namespace touchstone {

Pic::Pic(std::function<void(bool level)> on_output)
    : on_output_(std::move(on_output)),
      primary_(Bit<uint8_t>(kPicCascadeInput), kPicPrimaryLevelMask),
      secondary_(0, kPicSecondaryLevelMask) {}

void Pic::SetInput(int input, bool level) {
  CHECK(input >= 0 && input < kInputs);
  if (input == kPicCascadeInput) return;
  MutexLock lock(mutex_);
  if (input < kPicInputs) {
    primary_.SetInput(input, level);
  } else {
    secondary_.SetInput(input - kPicInputs, level);
  }
  Settle();
}

uint8_t Pic::Acknowledge() {
  MutexLock lock(mutex_);
  const uint8_t input = primary_.Acknowledge();
  // Data sheet, "Cascade Mode": in the second cycle the chip on that input gives the vector.
  const uint8_t vector = input == kPicCascadeInput ? secondary_.vector(secondary_.Acknowledge())
                                                   : primary_.vector(input);
  Settle();
  return vector;
}

void Pic::Settle() {
  primary_.SetInput(kPicCascadeInput, secondary_.output());
  const bool output = primary_.output();
  if (output == output_.load(std::memory_order_relaxed)) return;  // written under the lock only
  output_.store(output, std::memory_order_release);               // pairs with output()
  on_output_(output);
}

uint8_t Pic::ReadPort(Place place, uint64_t offset) {
  switch (place) {
    case Place::kPrimary:
      return primary_.Read(offset);
    case Place::kSecondary:
      return secondary_.Read(offset);
    case Place::kTrigger:
      break;
  }
  return offset == 0 ? primary_.trigger() : secondary_.trigger();
}

void Pic::WritePort(Place place, uint64_t offset, uint8_t value) {
  switch (place) {
    case Place::kPrimary:
      return primary_.Write(offset, value);
    case Place::kSecondary:
      return secondary_.Write(offset, value);
    case Place::kTrigger:
      break;
  }
  PicChip& chip = offset == 0 ? primary_ : secondary_;
  chip.SetTrigger(value);
}

void Pic::Ports::Read(uint64_t offset, absl::Span<uint8_t> data) {
  MutexLock lock(pic_.mutex_);
  for (size_t i = 0; i < data.size() && offset < kPicPortCount; ++i, ++offset) {
    data[i] = pic_.ReadPort(place_, offset);
  }
  pic_.Settle();
}

void Pic::Ports::Write(uint64_t offset, absl::Span<const uint8_t> data) {
  MutexLock lock(pic_.mutex_);
  for (size_t i = 0; i < data.size() && offset < kPicPortCount; ++i, ++offset) {
    pic_.WritePort(place_, offset, data[i]);
    pic_.Settle();
  }
}

PicState Pic::Save() {
  MutexLock lock(mutex_);
  return {.primary = primary_.state(), .secondary = secondary_.state()};
}

absl::Status Pic::Restore(const PicState& state) {
  MutexLock lock(mutex_);
  const PicChipState before = primary_.state();
  if (!primary_.Restore(state.primary)) {
    return absl::InvalidArgumentError("PIC: no primary controller can be in the saved state");
  }
  if (!secondary_.Restore(state.secondary)) {
    CHECK(primary_.Restore(before));
    return absl::InvalidArgumentError("PIC: no secondary controller can be in the saved state");
  }
  Settle();
  return absl::OkStatus();
}

}  // namespace touchstone
