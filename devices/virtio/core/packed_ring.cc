#include "devices/virtio/core/packed_ring.h"

#include <algorithm>
#include <atomic>
#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/status.h"
#include "devices/virtio/core/virtio_features.h"

namespace touchstone {
namespace {

// Of a descriptor: length, id and flags are one aligned quadword.
constexpr uint32_t kLengthIdFlags = 8;
constexpr uint32_t kFlags = 14;

// Event suppression structures (Virtio 1.2, 2.8.14): one aligned dword.
constexpr uint32_t kEventSize = 4;
constexpr uint16_t kEventWrap = 1 << 15;  // Of the offset word.

constexpr uint32_t Event(uint16_t offset, uint16_t flags) { return offset | uint32_t{flags} << 16; }

}  // namespace

absl::StatusOr<PackedRing> PackedRing::Create(const GuestMemory& memory, const QueueLayout& layout,
                                              uint64_t features, const QueuePosition& position) {
  const uint32_t size = layout.size;
  if (size == 0 || size > kMaxQueueSize) {
    return absl::InvalidArgumentError(
        absl::StrCat("the size of a packed ring is 1 to 32768, not ", size));
  }
  if (position.available >= size || position.used >= size) {
    return absl::InvalidArgumentError(
        absl::StrCat("position ", position.available, ", ", position.used,
                     " is beyond the end of a packed ring of ", size));
  }
  absl::StatusOr<GuestWindow> descriptors = GuestWindow::Create(
      memory, layout.descriptors, uint64_t{size} * kDescriptorSize, kDescriptorSize);
  if (!descriptors.ok()) return Annotate(descriptors.status(), "descriptor area");
  absl::StatusOr<GuestWindow> driver =
      GuestWindow::Create(memory, layout.driver, kEventSize, kEventSize);
  if (!driver.ok()) return Annotate(driver.status(), "driver area");
  absl::StatusOr<GuestWindow> device =
      GuestWindow::Create(memory, layout.device, kEventSize, kEventSize);
  if (!device.ok()) return Annotate(device.status(), "device area");
  return PackedRing(layout, features, position, *std::move(descriptors), *std::move(driver),
                    *std::move(device));
}

PackedRing::PackedRing(const QueueLayout& layout, uint64_t features, const QueuePosition& position,
                       GuestWindow descriptors, GuestWindow driver, GuestWindow device)
    : size_(layout.size),
      event_index_((features & kVirtioEventIndex) != 0),
      indirect_((features & kVirtioIndirectDescriptors) != 0),
      position_(position),
      descriptors_(std::move(descriptors)),
      driver_(std::move(driver)),
      device_(std::move(device)) {}

bool PackedRing::HasNext(const char*& /*error*/) const {
  // Acquire: what the driver wrote before the flags is seen.
  const uint16_t flags = descriptors_.Load<uint16_t>(position_.available * kDescriptorSize + kFlags,
                                                     std::memory_order_acquire);
  // Virtio 1.2, 2.8.1.
  const bool available = (flags & kPackedDescriptorAvailable) != 0;
  const bool used = (flags & kPackedDescriptorUsed) != 0;
  return available == position_.available_wrap && used != position_.available_wrap;
}

const char* PackedRing::Take(const GuestMemory& memory, ChainSlot& slot) {
  uint32_t entries = 0;
  if (const char* error = TakeChain(memory, slot, entries); error != nullptr) return error;
  if (in_flight_ + entries > size_) return "more descriptors are in flight than the queue has";
  in_flight_ += entries;
  slot.ring_descriptors = static_cast<uint16_t>(entries);
  uint32_t next = position_.available + entries;
  if (next >= size_) {
    next -= size_;
    position_.available_wrap = !position_.available_wrap;
  }
  position_.available = static_cast<uint16_t>(next);
  return nullptr;
}

const char* PackedRing::TakeChain(const GuestMemory& memory, ChainSlot& slot, uint32_t& entries) {
  uint32_t index = position_.available;
  while (entries < size_) {
    const auto descriptor = descriptors_.Read<PackedDescriptor>(index * kDescriptorSize);
    ++entries;
    const uint16_t flags = descriptor.flags;
    // Virtio 1.2, 2.8.6: the id of a list is that of its last descriptor.
    slot.id = descriptor.id;
    if ((flags & kDescriptorIndirect) != 0) {
      return TakeIndirect(memory, descriptor, entries - 1, slot);
    }
    if (const char* error =
            slot.Append(descriptor.address, descriptor.length, (flags & kDescriptorWrite) != 0);
        error != nullptr) {
      return error;
    }
    if ((flags & kDescriptorNext) == 0) return nullptr;
    if (++index == size_) index = 0;
  }
  return "a chain has more descriptors than the queue";
}

// Virtio 1.2, 2.8.8: the table is an array of packed descriptors, used from the first to the last;
// of their flags only WRITE means something.
const char* PackedRing::TakeIndirect(const GuestMemory& memory, const PackedDescriptor& table,
                                     uint32_t count, ChainSlot& slot) const {
  // Virtio 1.2, 2.8.19: the flag needs the feature, and excludes NEXT.
  if (!indirect_) return "an indirect descriptor, which was not negotiated";
  if ((table.flags & kDescriptorNext) != 0) return "an indirect descriptor is not the last";
  const uint32_t length = table.length;
  if (length == 0 || length % kDescriptorSize != 0) {
    return "the length of an indirect table is no multiple of 16";
  }
  const uint32_t entries = length / kDescriptorSize;
  if (entries > size_ - count) return "a chain has more descriptors than the queue";
  for (uint32_t i = 0; i < entries; ++i) {
    const std::optional<GuestAddress> at =
        CheckedAdd(GuestAddress{table.address.get()}, uint64_t{i} * kDescriptorSize);
    if (!at.has_value()) return "an indirect table is not in guest memory";
    const absl::StatusOr<PackedDescriptor> descriptor = memory.ReadObject<PackedDescriptor>(*at);
    if (!descriptor.ok()) return "an indirect table is not in guest memory";
    if (const char* error = slot.Append(descriptor->address, descriptor->length,
                                        (descriptor->flags & kDescriptorWrite) != 0);
        error != nullptr) {
      return error;
    }
  }
  return nullptr;
}

void PackedRing::Untake(const ChainSlot& slot) {
  const uint32_t entries = slot.ring_descriptors;
  in_flight_ -= entries;
  uint32_t before = position_.available;
  if (before < entries) {
    before += size_;
    position_.available_wrap = !position_.available_wrap;
  }
  position_.available = static_cast<uint16_t>(before - entries);
}

PackedRing::UsedDescriptor PackedRing::NextUsed(const ChainSlot& slot) {
  // Virtio 1.2, 2.8.5: WRITE in a used descriptor says that its length means something.
  uint16_t flags = slot.written > 0 ? kDescriptorWrite : 0;
  if (position_.used_wrap) flags |= kPackedDescriptorAvailable | kPackedDescriptorUsed;
  const uint64_t length = std::min<uint64_t>(slot.written, 0xFFFF'FFFF);
  const UsedDescriptor used = {.offset = position_.used * kDescriptorSize + kLengthIdFlags,
                               .value = length | uint64_t{slot.id} << 32 | uint64_t{flags} << 48};
  const uint32_t entries = slot.ring_descriptors;
  in_flight_ -= entries;
  returned_entries_ = std::min(returned_entries_ + entries, size_);
  // Virtio 1.2, 2.8.6: the device skips as many entries as the list had.
  uint32_t next = position_.used + entries;
  if (next >= size_) {
    next -= size_;
    position_.used_wrap = !position_.used_wrap;
  }
  position_.used = static_cast<uint16_t>(next);
  return used;
}

void PackedRing::Return(const ChainSlot& slot) {
  const UsedDescriptor used = NextUsed(slot);
  // Release: what was written into the buffers is visible before the descriptor is used. Length, id
  // and flags go in one store, so that none is seen without the others.
  descriptors_.Store<uint64_t>(used.offset, used.value, std::memory_order_release);
}

// The driver looks at the first, which is written last.
void PackedRing::ReturnAll(absl::Span<ChainSlot* const> slots) {
  if (slots.empty()) return;
  const UsedDescriptor first = NextUsed(*slots[0]);
  for (const ChainSlot* const slot : slots.subspan(1)) {
    const UsedDescriptor used = NextUsed(*slot);
    descriptors_.Store<uint64_t>(used.offset, used.value, std::memory_order_relaxed);
  }
  // Release: as in Return, and the others are visible before the first.
  descriptors_.Store<uint64_t>(first.offset, first.value, std::memory_order_release);
}

void PackedRing::EnableKicks() {
  uint32_t event = Event(0, kPackedEventsEnable);
  if (event_index_) {
    event = Event(
        static_cast<uint16_t>(position_.available | (position_.available_wrap ? kEventWrap : 0)),
        kPackedEventsDescriptor);
  }
  device_.Store<uint32_t>(0, event, std::memory_order_relaxed);
}

void PackedRing::DisableKicks() {
  device_.Store<uint32_t>(0, Event(0, kPackedEventsDisable), std::memory_order_relaxed);
}

bool PackedRing::NeedsSignal() {
  const uint32_t returned = std::exchange(returned_entries_, 0);
  if (returned == 0) return false;
  const uint32_t event = driver_.Load<uint32_t>(0, std::memory_order_relaxed);
  const uint16_t flags = (event >> 16) & 3;  // Virtio 1.2, 2.8.14: the other bits are reserved.
  if (flags == kPackedEventsEnable) return true;
  // Virtio 1.2, 2.8.10: the third value exists with EVENT_IDX only, the fourth is reserved.
  if (flags != kPackedEventsDescriptor || !event_index_) return false;
  if (returned >= size_) return true;
  // How far the entry asked for lies behind the position, in entries: an entry of the lap before
  // when the wrap counters differ.
  const uint32_t wanted = event & ~uint32_t{kEventWrap} & 0xFFFF;
  const bool same_lap = ((event & kEventWrap) != 0) == position_.used_wrap;
  const uint32_t here = same_lap ? position_.used : position_.used + size_;
  return wanted < here && here - wanted <= returned;
}

QueuePosition PackedRing::position() const { return position_; }

}  // namespace touchstone
