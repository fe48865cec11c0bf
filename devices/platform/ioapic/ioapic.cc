#include "devices/platform/ioapic/ioapic.h"

#include <algorithm>

#include "base/bits.h"
#include "base/endian.h"
#include "base/log.h"

namespace touchstone {
namespace {

constexpr size_t kRegisterSize = 4;

uint64_t Delivery(uint64_t entry) { return (entry >> kIoapicDeliveryShift) & kIoapicDeliveryMask; }

// Data sheet 3.2.4, Delivery Mode: SMI, NMI, INIT and ExtINT are edges whatever the trigger mode.
bool IsLevel(uint64_t entry) {
  return (entry & kIoapicLevel) != 0 && Delivery(entry) <= kIoapicLowestPriority;
}

// Not of a reserved delivery mode, nor the PICs' (see the header).
bool IsSent(uint64_t entry) {
  switch (Delivery(entry)) {
    case kIoapicFixed:
    case kIoapicLowestPriority:
    case kIoapicSmi:
    case kIoapicNmi:
    case kIoapicInit:
      return true;
    default:
      return false;
  }
}

// Data sheet 3.2.4 and Intel SDM volume 3, 10.11.1 and 10.11.2.
IoapicMessage MessageOf(uint64_t entry) {
  IoapicMessage message;
  message.address = kMessageAddress |
                    (entry >> kIoapicDestinationShift) << kMessageDestinationShift |
                    ((entry & kIoapicLogical) != 0 ? kMessageLogical : 0);
  message.data = static_cast<uint32_t>(entry & kIoapicVector) |
                 static_cast<uint32_t>(Delivery(entry) << kIoapicDeliveryShift) |
                 (IsLevel(entry) ? kMessageLevel | kMessageAssert : 0);
  return message;
}

}  // namespace

Ioapic::Ioapic(IoapicTarget& target) : target_(target) {
  MutexLock lock(mutex_);
  state_.entries.fill(kIoapicMasked);
}

bool Ioapic::IsHigh(size_t input) const {
  return (state_.inputs & Bit(static_cast<int>(input))) != 0;
}

void Ioapic::SetInput(int input, bool level) {
  CHECK(input >= 0 && input < kIoapicInputs);
  MutexLock lock(mutex_);
  const auto index = static_cast<size_t>(input);
  if (IsHigh(index) == level) return;
  state_.inputs ^= Bit(input);
  if (!level) return;
  const uint64_t entry = state_.entries[index];
  if (IsLevel(entry)) return SendLevel(index);
  // 3.2.4, Interrupt Mask: edges on a masked input are neither delivered nor held pending.
  if ((entry & kIoapicMasked) == 0 && IsSent(entry)) target_.Deliver(MessageOf(entry));
}

void Ioapic::SendLevel(size_t input) {
  uint64_t& entry = state_.entries[input];
  if (!IsLevel(entry) || (entry & (kIoapicMasked | kIoapicRemoteIrr)) != 0 || !IsHigh(input)) {
    return;
  }
  // 3.2.4, Remote IRR: set when local APICs accept the level.
  if (target_.Deliver(MessageOf(entry))) entry |= kIoapicRemoteIrr;
}

void Ioapic::EndOfInterrupt(uint8_t vector) {
  MutexLock lock(mutex_);
  for (size_t input = 0; input < kIoapicInputs; ++input) {
    uint64_t& entry = state_.entries[input];
    if ((entry & kIoapicVector) != vector || !IsLevel(entry)) continue;
    entry &= ~kIoapicRemoteIrr;
    SendLevel(input);
  }
}

// A masked entry keeps what is watched: a guest masks an input while it serves it.
void Ioapic::UpdateWatch(size_t input) {
  const uint64_t entry = state_.entries[input];
  if ((entry & kIoapicMasked) != 0) return;
  std::optional<IoapicMessage> message;
  if (IsLevel(entry)) message = MessageOf(entry);
  if (message == watched_[input]) return;
  watched_[input] = message;
  target_.Watch(static_cast<int>(input), message);
}

uint32_t Ioapic::ReadRegister() const {
  switch (state_.select) {
    case kIoapicId:
    case kIoapicArbitration:
      return uint32_t{state_.id} << kIoapicIdShift;
    case kIoapicVersion:
      return kIoapicVersionValue;
    default:
      break;
  }
  const size_t half = state_.select - size_t{kIoapicRedirection};
  if (state_.select < kIoapicRedirection || half >= size_t{2} * kIoapicInputs) return 0;
  return static_cast<uint32_t>(state_.entries[half / 2] >> (half % 2 * 32));
}

void Ioapic::WriteRegister(uint32_t value) {
  if (state_.select == kIoapicId) {
    state_.id = static_cast<uint8_t>(value >> kIoapicIdShift) & kIoapicIdMask;
    return;
  }
  const size_t half = state_.select - size_t{kIoapicRedirection};
  if (state_.select < kIoapicRedirection || half >= size_t{2} * kIoapicInputs) return;
  const int shift = half % 2 == 0 ? 0 : 32;
  const uint64_t rest = state_.entries[half / 2] & ~(uint64_t{0xffffffff} << shift);
  WriteEntry(half / 2, rest | uint64_t{value} << shift);
}

void Ioapic::WriteEntry(size_t input, uint64_t value) {
  uint64_t& entry = state_.entries[input];
  entry = (value & kIoapicWritable) | (entry & kIoapicReadOnly);
  if (!IsLevel(entry)) entry &= ~kIoapicRemoteIrr;
  UpdateWatch(input);
  SendLevel(input);
}

void Ioapic::Read(uint64_t offset, absl::Span<uint8_t> data) {
  MutexLock lock(mutex_);
  uint32_t value = 0;
  if (offset == kIoapicSelect) {
    value = state_.select;
  } else if (offset == kIoapicWindow) {
    value = ReadRegister();
  } else {
    return;
  }
  StoreLe(value, data.first(std::min(data.size(), kRegisterSize)));
}

void Ioapic::Write(uint64_t offset, absl::Span<const uint8_t> data) {
  if (data.empty()) return;
  MutexLock lock(mutex_);
  if (offset == kIoapicSelect) {
    state_.select = data[0];
  } else if (offset == kIoapicWindow && data.size() >= kRegisterSize) {
    WriteRegister(static_cast<uint32_t>(LoadLe(data.first(kRegisterSize))));
  }
}

IoapicState Ioapic::Save() {
  MutexLock lock(mutex_);
  return state_;
}

absl::Status Ioapic::Restore(const IoapicState& state) {
  bool possible = state.id <= kIoapicIdMask && state.inputs < Bit(kIoapicInputs);
  for (const uint64_t entry : state.entries) {
    possible = possible && (entry & ~(kIoapicWritable | kIoapicRemoteIrr)) == 0 &&
               (IsLevel(entry) || (entry & kIoapicRemoteIrr) == 0);
  }
  if (!possible) return absl::InvalidArgumentError("IOAPIC: none can be in the saved state");
  MutexLock lock(mutex_);
  state_ = state;
  for (size_t input = 0; input < kIoapicInputs; ++input) {
    // A masked one is watched as well: its interrupt may be in service.
    if (IsLevel(state_.entries[input])) {
      watched_[input] = MessageOf(state_.entries[input]);
      target_.Watch(static_cast<int>(input), watched_[input]);
    }
    UpdateWatch(input);
    SendLevel(input);
  }
  return absl::OkStatus();
}

}  // namespace touchstone
