#include "devices/virtio/core/split_ring.h"

#include <algorithm>
#include <atomic>
#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/status.h"
#include "devices/virtio/core/virtio_features.h"

namespace touchstone {
namespace {

// Driver area (Virtio 1.2, 2.7.6).
constexpr uint32_t kAvailableFlags = 0;
constexpr uint32_t kAvailableIndex = 2;
constexpr uint32_t kAvailableRing = 4;
constexpr uint32_t AvailableEntry(uint32_t index) { return kAvailableRing + 2 * index; }

// Device area (Virtio 1.2, 2.7.8).
struct UsedElement {
  Le32 id;
  Le32 length;
};
constexpr uint32_t kUsedFlags = 0;
constexpr uint32_t kUsedIndex = 2;
constexpr uint32_t kUsedRing = 4;
constexpr uint32_t UsedEntry(uint32_t index) { return kUsedRing + 8 * index; }

}  // namespace

absl::StatusOr<SplitRing> SplitRing::Create(const GuestMemory& memory, const QueueLayout& layout,
                                            uint64_t features, const QueuePosition& position) {
  // Virtio 1.2, 2.7: the queue size is always a power of two, at most 32768.
  const uint32_t size = layout.size;
  if (size == 0 || size > kMaxQueueSize || (size & (size - 1)) != 0) {
    return absl::InvalidArgumentError(
        absl::StrCat("the size of a split ring is a power of two up to 32768, not ", size));
  }
  // Virtio 1.2, 2.7, table of alignments and sizes; both areas end in an event index.
  absl::StatusOr<GuestWindow> descriptors = GuestWindow::Create(
      memory, layout.descriptors, uint64_t{size} * kDescriptorSize, kDescriptorSize);
  if (!descriptors.ok()) return Annotate(descriptors.status(), "descriptor area");
  absl::StatusOr<GuestWindow> driver =
      GuestWindow::Create(memory, layout.driver, AvailableEntry(size) + 2, 2);
  if (!driver.ok()) return Annotate(driver.status(), "driver area");
  absl::StatusOr<GuestWindow> device =
      GuestWindow::Create(memory, layout.device, UsedEntry(size) + 2, 4);
  if (!device.ok()) return Annotate(device.status(), "device area");
  return SplitRing(layout, features, position, *std::move(descriptors), *std::move(driver),
                   *std::move(device));
}

SplitRing::SplitRing(const QueueLayout& layout, uint64_t features, const QueuePosition& position,
                     GuestWindow descriptors, GuestWindow driver, GuestWindow device)
    : size_(layout.size),
      event_index_((features & kVirtioEventIndex) != 0),
      indirect_((features & kVirtioIndirectDescriptors) != 0),
      next_available_(position.available),
      seen_available_(position.available),
      next_used_(position.used),
      signalled_used_(position.used),
      descriptors_(std::move(descriptors)),
      driver_(std::move(driver)),
      device_(std::move(device)) {}

bool SplitRing::HasNext(const char*& error) {
  if (seen_available_ != next_available_) return true;
  // Acquire: the entries and descriptors that the driver wrote before the index are seen.
  seen_available_ = driver_.Load<uint16_t>(kAvailableIndex, std::memory_order_acquire);
  const uint16_t waiting = static_cast<uint16_t>(seen_available_ - next_available_);
  if (waiting == 0) return false;
  if (waiting > size_) {
    error = "the available index is further ahead than the queue is long";
    return false;
  }
  return true;
}

const char* SplitRing::Take(const GuestMemory& memory, ChainSlot& slot) {
  const uint32_t mask = size_ - 1;
  uint32_t index = driver_.Load<uint16_t>(AvailableEntry(next_available_ & mask),
                                          std::memory_order_relaxed);  // Ordered by HasNext.
  ++next_available_;
  slot.id = static_cast<uint16_t>(index);
  // Virtio 1.2, 2.7.5.3.1: the driver MUST NOT create a chain longer than the queue size, so what
  // goes on after as many descriptors is a loop.
  for (uint32_t count = 0; count < size_; ++count) {
    if (index >= size_) return "a descriptor index is beyond the end of the table";
    const auto descriptor = descriptors_.Read<SplitDescriptor>(index * kDescriptorSize);
    const uint16_t flags = descriptor.flags;
    if ((flags & kDescriptorIndirect) != 0) return TakeIndirect(memory, descriptor, count, slot);
    if (const char* error =
            slot.Append(descriptor.address, descriptor.length, (flags & kDescriptorWrite) != 0);
        error != nullptr) {
      return error;
    }
    if ((flags & kDescriptorNext) == 0) return nullptr;
    index = descriptor.next;
  }
  return "a chain has more descriptors than the queue";
}

// Virtio 1.2, 2.7.5.3.2: normal descriptors may come before the one that refers to a table, whose
// own write flag is ignored.
const char* SplitRing::TakeIndirect(const GuestMemory& memory, const SplitDescriptor& table,
                                    uint32_t count, ChainSlot& slot) const {
  // Virtio 1.2, 2.7.5.3.1: the flag needs the feature, and NEXT and INDIRECT exclude each other.
  if (!indirect_) return "an indirect descriptor, which was not negotiated";
  if ((table.flags & kDescriptorNext) != 0) return "an indirect descriptor is not the last";
  const uint32_t length = table.length;
  if (length == 0 || length % kDescriptorSize != 0) {
    return "the length of an indirect table is no multiple of 16";
  }
  const uint32_t entries = length / kDescriptorSize;
  uint32_t index = 0;
  for (; count < size_; ++count) {
    if (index >= entries) return "an index is beyond the end of its indirect table";
    const std::optional<GuestAddress> at =
        CheckedAdd(GuestAddress{table.address.get()}, uint64_t{index} * kDescriptorSize);
    if (!at.has_value()) return "an indirect table is not in guest memory";
    const absl::StatusOr<SplitDescriptor> descriptor = memory.ReadObject<SplitDescriptor>(*at);
    if (!descriptor.ok()) return "an indirect table is not in guest memory";
    const uint16_t flags = descriptor->flags;
    // Virtio 1.2, 2.7.5.3.1: no table within a table.
    if ((flags & kDescriptorIndirect) != 0) return "an indirect table refers to another";
    if (const char* error =
            slot.Append(descriptor->address, descriptor->length, (flags & kDescriptorWrite) != 0);
        error != nullptr) {
      return error;
    }
    if ((flags & kDescriptorNext) == 0) return nullptr;
    index = descriptor->next;
  }
  return "a chain has more descriptors than the queue";
}

void SplitRing::Untake(const ChainSlot& /*slot*/) { --next_available_; }

void SplitRing::Return(const ChainSlot& slot) {
  PutUsed(slot);
  PublishUsed();
}

void SplitRing::ReturnAll(absl::Span<ChainSlot* const> slots) {
  for (const ChainSlot* const slot : slots) PutUsed(*slot);
  PublishUsed();
}

void SplitRing::PutUsed(const ChainSlot& slot) {
  const uint32_t written = static_cast<uint32_t>(std::min<uint64_t>(slot.written, 0xFFFF'FFFF));
  device_.Write(UsedEntry(next_used_ & (size_ - 1)),
                UsedElement{.id = uint32_t{slot.id}, .length = written});
  ++next_used_;
}

void SplitRing::PublishUsed() {
  // Release: Virtio 1.2, 2.7.8.2: the element MUST be visible before the index.
  device_.Store<uint16_t>(kUsedIndex, next_used_, std::memory_order_release);
}

void SplitRing::EnableKicks() {
  // Virtio 1.2, 2.7.10.1: with EVENT_IDX the device asks for a kick at an index and MUST set flags
  // to 0, which they are from the start.
  if (event_index_) {
    device_.Store<uint16_t>(UsedEntry(size_), next_available_, std::memory_order_relaxed);
  } else {
    device_.Store<uint16_t>(kUsedFlags, 0, std::memory_order_relaxed);
  }
}

void SplitRing::DisableKicks() {
  // With EVENT_IDX the index asked for last lies behind, which is as good.
  if (!event_index_) {
    device_.Store<uint16_t>(kUsedFlags, kSplitNoNotify, std::memory_order_relaxed);
  }
}

bool SplitRing::NeedsSignal() {
  const uint16_t before = std::exchange(signalled_used_, next_used_);
  if (before == next_used_) return false;
  // Virtio 1.2, 2.7.7.2: without EVENT_IDX the flag decides; with it, a notification is sent when
  // the index that was passed is the one asked for.
  if (!event_index_) {
    const uint16_t flags = driver_.Load<uint16_t>(kAvailableFlags, std::memory_order_relaxed);
    return (flags & kSplitNoInterrupt) == 0;
  }
  const uint16_t wanted = driver_.Load<uint16_t>(AvailableEntry(size_), std::memory_order_relaxed);
  return static_cast<uint16_t>(next_used_ - wanted - 1) <
         static_cast<uint16_t>(next_used_ - before);
}

QueuePosition SplitRing::position() const {
  return {.available = next_available_, .used = next_used_};
}

}  // namespace touchstone
