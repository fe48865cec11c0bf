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

constexpr uint32_t EventIndexOfDriver(uint32_t size) { return kSplitRingHeader + 2 * size; }
constexpr uint32_t EventIndexOfDevice(uint32_t size) { return kSplitRingHeader + 8 * size; }

}  // namespace

absl::StatusOr<SplitRing> SplitRing::Create(const GuestMemory& memory,
                                            const GuestMemory& device_area,
                                            const QueueLayout& layout, uint64_t features,
                                            const QueuePosition& position) {
  // Virtio 1.2, 2.7: the queue size is always a power of two, at most 32768.
  const uint32_t size = layout.size;
  if (size == 0 || size > kMaxQueueSize || (size & (size - 1)) != 0) {
    return absl::InvalidArgumentError(
        absl::StrCat("the size of a split ring is a power of two up to 32768, not ", size));
  }
  // Virtio 1.2, 2.7, table of alignments and sizes.
  absl::StatusOr<Descriptors> descriptors = Descriptors::Create(memory, layout.descriptors, size);
  if (!descriptors.ok()) return Annotate(descriptors.status(), "descriptor area");
  absl::StatusOr<GuestWindow> driver =
      GuestWindow::Create(memory, layout.driver, EventIndexOfDriver(size) + 2, 2);
  if (!driver.ok()) return Annotate(driver.status(), "driver area");
  absl::StatusOr<GuestWindow> device =
      GuestWindow::Create(device_area, layout.device, EventIndexOfDevice(size) + 2, 4);
  if (!device.ok()) return Annotate(device.status(), "device area");
  // Parts of what was just found.
  ASSIGN_OR_RETURN(Available available,
                   Available::Create(memory, layout.driver + kSplitRingHeader, size));
  ASSIGN_OR_RETURN(Used used, Used::Create(device_area, layout.device + kSplitRingHeader, size));
  return SplitRing(features, position, *std::move(descriptors), std::move(available),
                   *std::move(driver), std::move(used), *std::move(device));
}

SplitRing::SplitRing(uint64_t features, const QueuePosition& position, Descriptors descriptors,
                     Available available, GuestWindow driver, Used used, GuestWindow device)
    : event_index_((features & kVirtioEventIndex) != 0),
      indirect_((features & kVirtioIndirectDescriptors) != 0),
      next_available_(position.available),
      seen_available_(position.available),
      next_used_(position.used),
      signalled_used_(position.used),
      descriptors_(std::move(descriptors)),
      available_(std::move(available)),
      used_(std::move(used)),
      driver_(std::move(driver)),
      device_(std::move(device)),
      in_flight_(size()) {}

void SplitRing::Track(SplitInflight inflight) {
  resubmit_.assign(inflight.heads().rbegin(), inflight.heads().rend());
  for (const uint16_t head : resubmit_) in_flight_[head] = kResubmitted;
  inflight_ = std::make_unique<SplitInflight>(std::move(inflight));
}

const char* SplitRing::Resubmit(const GuestMemory& memory, ChainSlot& slot) {
  slot.id = resubmit_.back();
  resubmit_.pop_back();
  return TakeLong(memory, descriptors_.Read(slot.id), slot);
}

void SplitRing::Untake(const ChainSlot& slot) {
  if (in_flight_[slot.id] == kResubmitted) return resubmit_.push_back(slot.id);
  --next_available_;
  in_flight_[slot.id] = 0;
  if (inflight_ != nullptr) inflight_->Untake(slot.id);
}

const char* SplitRing::TakeLong(const GuestMemory& memory, SplitDescriptor descriptor,
                                ChainSlot& slot) {
  ChainBuilder chain(slot);
  // Virtio 1.2, 2.7.5.3.1: the driver MUST NOT create a chain longer than the queue size, so what
  // goes on after as many descriptors is a loop.
  const uint32_t size = this->size();
  for (uint32_t count = 0; count < size; ++count) {
    const uint16_t flags = descriptor.flags;
    if ((flags & kDescriptorIndirect) != 0) return TakeIndirect(memory, descriptor, count, chain);
    const bool write = (flags & kDescriptorWrite) != 0;
    if ((flags & kDescriptorNext) == 0) {
      return chain.AppendLast(descriptor.address, descriptor.length, write);
    }
    if (const char* error = chain.Append(descriptor.address, descriptor.length, write);
        error != nullptr) {
      return error;
    }
    const uint32_t index = descriptor.next;
    if (index >= size) return kBeyondTable;
    descriptor = descriptors_.Read(index);
  }
  return "a chain has more descriptors than the queue";
}

// Virtio 1.2, 2.7.5.3.2: normal descriptors may come before the one that refers to a table, whose
// own write flag is ignored.
const char* SplitRing::TakeIndirect(const GuestMemory& memory, SplitDescriptor table,
                                    uint32_t count, ChainBuilder chain) const {
  // Virtio 1.2, 2.7.5.3.1: the flag needs the feature, and NEXT and INDIRECT exclude each other.
  if (!indirect_) return "an indirect descriptor, which was not negotiated";
  if ((table.flags & kDescriptorNext) != 0) return "an indirect descriptor is not the last";
  const uint32_t length = table.length;
  if (length == 0 || length % kDescriptorSize != 0) {
    return "the length of an indirect table is no multiple of 16";
  }
  const uint32_t entries = length / kDescriptorSize;
  uint32_t index = 0;
  for (; count < size(); ++count) {
    if (index >= entries) return "an index is beyond the end of its indirect table";
    const std::optional<GuestAddress> at =
        CheckedAdd(GuestAddress{table.address.get()}, uint64_t{index} * kDescriptorSize);
    if (!at.has_value()) return "an indirect table is not in guest memory";
    const absl::StatusOr<SplitDescriptor> descriptor = memory.ReadObject<SplitDescriptor>(*at);
    if (!descriptor.ok()) return "an indirect table is not in guest memory";
    const uint16_t flags = descriptor->flags;
    // Virtio 1.2, 2.7.5.3.1: no table within a table.
    if ((flags & kDescriptorIndirect) != 0) return "an indirect table refers to another";
    const bool write = (flags & kDescriptorWrite) != 0;
    if ((flags & kDescriptorNext) == 0) {
      return chain.AppendLast(descriptor->address, descriptor->length, write);
    }
    if (const char* error = chain.Append(descriptor->address, descriptor->length, write);
        error != nullptr) {
      return error;
    }
    index = descriptor->next;
  }
  return "a chain has more descriptors than the queue";
}

void SplitRing::ReturnAll(absl::Span<ChainSlot* const> slots) {
  for (const ChainSlot* const slot : slots) PutUsed(*slot);
  PublishUsed();
  if (inflight_ == nullptr) return;
  for (const ChainSlot* const slot : slots) NoteReturned(*slot);
}

void SplitRing::EnableKicks() {
  // Virtio 1.2, 2.7.10.1: with EVENT_IDX the device asks for a kick at an index and MUST set flags
  // to 0, which they are from the start.
  if (event_index_) {
    device_.Store<uint16_t>(EventIndexOfDevice(size()), next_available_, std::memory_order_relaxed);
  } else {
    device_.Store<uint16_t>(kSplitRingFlags, 0, std::memory_order_relaxed);
  }
}

void SplitRing::DisableKicks() {
  // With EVENT_IDX the index asked for last lies behind, which is as good.
  if (!event_index_) {
    device_.Store<uint16_t>(kSplitRingFlags, kSplitNoNotify, std::memory_order_relaxed);
  }
}

bool SplitRing::NeedsSignal() {
  const uint16_t before = std::exchange(signalled_used_, next_used_);
  if (before == next_used_) return false;
  // Virtio 1.2, 2.7.7.2: without EVENT_IDX the flag decides; with it, a notification is sent when
  // the index that was passed is the one asked for.
  if (!event_index_) {
    const uint16_t flags = driver_.Load<uint16_t>(kSplitRingFlags, std::memory_order_relaxed);
    return (flags & kSplitNoInterrupt) == 0;
  }
  const uint16_t wanted =
      driver_.Load<uint16_t>(EventIndexOfDriver(size()), std::memory_order_relaxed);
  return static_cast<uint16_t>(next_used_ - wanted - 1) <
         static_cast<uint16_t>(next_used_ - before);
}

QueuePosition SplitRing::position() const {
  return {.available = next_available_, .used = next_used_};
}

}  // namespace touchstone
