// The packed virtqueue, seen from the device (Virtio 1.2, 2.8; layout: queue_layout.h).
//
// A descriptor is available when its AVAIL bit equals the available wrap counter and its USED bit
// does not; the device returns a buffer by writing one descriptor with both bits equal to the used
// wrap counter, and skips as many entries as the buffer took.
//
// Descriptors are copied once and the copy is believed. Thread-compatible.

#ifndef TOUCHSTONE_DEVICES_VIRTIO_CORE_PACKED_RING_H_
#define TOUCHSTONE_DEVICES_VIRTIO_CORE_PACKED_RING_H_

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

#include "absl/base/attributes.h"
#include "absl/base/optimization.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "base/memory/guest_array.h"
#include "base/memory/guest_memory.h"
#include "base/memory/guest_window.h"
#include "devices/virtio/core/chain_slot.h"
#include "devices/virtio/core/packed_inflight.h"
#include "devices/virtio/core/queue_layout.h"

namespace touchstone {

// Of a descriptor: length, id and flags are one aligned quadword.
inline constexpr uint32_t kPackedLengthIdFlags = 8;
inline constexpr uint32_t kPackedFlags = 14;

// The methods mean what those of SplitRing mean.
class PackedRing {
 public:
  using Descriptor = PackedDescriptor;

  // InvalidArgument for a size of 0 or above 32768, areas that are not aligned, or a position
  // beyond the end; OutOfRange for areas that are not all guest memory.
  static absl::StatusOr<PackedRing> Create(const GuestMemory& memory,
                                           const GuestMemory& device_area,
                                           const QueueLayout& layout, uint64_t features,
                                           const QueuePosition& position);

  void Track(PackedInflight inflight);
  [[nodiscard]] bool may_resubmit() const { return !resubmit_.empty(); }
  const char* Resubmit(const GuestMemory& memory, ChainSlot& slot);

  ABSL_ATTRIBUTE_ALWAYS_INLINE bool HasNext(const char*& error) const;
  PackedDescriptor ReadFirst(ChainSlot& /*slot*/, const char*& /*error*/) {
    return descriptors_.Read(position_.available);
  }
  ABSL_ATTRIBUTE_ALWAYS_INLINE const char* EndSingle(PackedDescriptor first, ChainSlot& slot) {
    if (ABSL_PREDICT_FALSE(inflight_ != nullptr)) NoteSingle(first);
    return Taken(slot, first.id, 1);
  }
  const char* TakeLong(const GuestMemory& memory, PackedDescriptor descriptor, ChainSlot& slot);
  void Untake(const ChainSlot& slot);
  ABSL_ATTRIBUTE_ALWAYS_INLINE void Return(ChainSlot& slot);
  void ReturnAll(absl::Span<ChainSlot* const> slots);

  void EnableKicks();
  void DisableKicks();
  bool NeedsSignal();

  [[nodiscard]] QueuePosition position() const;

 private:
  using Descriptors = GuestArray<PackedDescriptor, kDescriptorSize>;
  // A used descriptor: which, and its quadword of length, id and flags.
  struct UsedDescriptor {
    uint32_t index = 0;
    uint64_t value = 0;
  };

  PackedRing(uint64_t features, const QueuePosition& position, Descriptors descriptors,
             GuestWindow table, GuestWindow driver, GuestWindow device);
  [[nodiscard]] uint32_t size() const { return descriptors_.count(); }
  // The next used descriptor, for this chain; the position is behind it then.
  UsedDescriptor NextUsed(const ChainSlot& slot);
  void Put(const UsedDescriptor& used, std::memory_order order) const {
    table_.Store<uint64_t>(used.index * kDescriptorSize + kPackedLengthIdFlags, used.value, order);
  }
  static uint64_t IdBit(uint16_t id) { return uint64_t{1} << id % 64; }
  [[clang::preserve_most]] ABSL_ATTRIBUTE_NOINLINE void NoteSingle(const PackedDescriptor& first) {
    inflight_->Begin();
    inflight_->Append(first);
  }
  [[clang::preserve_most]] ABSL_ATTRIBUTE_NOINLINE void NoteTaken(uint16_t id) {
    inflight_->Take(id);
  }
  [[clang::preserve_most]] ABSL_ATTRIBUTE_NOINLINE void NotePut(uint16_t id);
  [[clang::preserve_most]] ABSL_ATTRIBUTE_NOINLINE void NoteReturned(
      absl::Span<ChainSlot* const> slots);
  std::vector<PackedInflight::Chain>::iterator FindResubmitted(uint16_t id);
  // A descriptor of a chain goes into the slot. Returns what is wrong, or null; `count` came
  // before.
  const char* Add(const GuestMemory& memory, const PackedDescriptor& descriptor, uint32_t count,
                  ChainBuilder& chain) const;
  // The chain has this id and took that many entries of the ring.
  ABSL_ATTRIBUTE_ALWAYS_INLINE const char* Taken(ChainSlot& slot, uint16_t id, uint32_t entries);
  // It is not in flight any more.
  void Forget(const ChainSlot& slot) {
    entries_in_flight_ -= slot.ring_descriptors;
    ids_in_flight_[slot.id / 64] &= ~IdBit(slot.id);
  }
  const char* TakeIndirect(const GuestMemory& memory, PackedDescriptor table, uint32_t count,
                           ChainBuilder& chain) const;

  bool event_index_;
  bool indirect_;
  QueuePosition position_;
  uint32_t entries_in_flight_ = 0;  // Ring entries of chains that were taken and not returned.
  uint32_t returned_entries_ = 0;   // Since NeedsSignal was last asked; no more than size().
  Descriptors descriptors_;
  GuestWindow table_;  // The same.
  GuestWindow driver_;
  GuestWindow device_;
  // A bit for each id, whatever the size: ids are opaque to the device (Virtio 1.2, 2.8.5).
  std::vector<uint64_t> ids_in_flight_;
  // Null when chains are not tracked.
  std::unique_ptr<PackedInflight> inflight_;
  std::vector<PackedInflight::Chain> resubmit_;     // The oldest last.
  std::vector<PackedInflight::Chain> resubmitted_;  // And not returned.
};

// --- The path of every chain, in the header so that it becomes one function of the queue.

inline bool PackedRing::HasNext(const char*& /*error*/) const {
  // Acquire: what the driver wrote before the flags is seen.
  const uint16_t flags = table_.Load<uint16_t>(position_.available * kDescriptorSize + kPackedFlags,
                                               std::memory_order_acquire);
  // Virtio 1.2, 2.8.1.
  const bool available = (flags & kPackedDescriptorAvailable) != 0;
  const bool used = (flags & kPackedDescriptorUsed) != 0;
  return available == position_.available_wrap && used != position_.available_wrap;
}

inline const char* PackedRing::Taken(ChainSlot& slot, uint16_t id, uint32_t entries) {
  if (entries_in_flight_ + entries > size()) {
    return "more descriptors are in flight than the queue has";
  }
  // A driver must not offer again what it was not given back.
  if ((ids_in_flight_[id / 64] & IdBit(id)) != 0) return "a chain is made available twice";
  entries_in_flight_ += entries;
  ids_in_flight_[id / 64] |= IdBit(id);
  slot.id = id;
  slot.ring_descriptors = static_cast<uint16_t>(entries);
  uint32_t next = position_.available + entries;
  if (next >= size()) {
    next -= size();
    position_.available_wrap = !position_.available_wrap;
  }
  position_.available = static_cast<uint16_t>(next);
  if (ABSL_PREDICT_FALSE(inflight_ != nullptr)) NoteTaken(id);
  return nullptr;
}

inline PackedRing::UsedDescriptor PackedRing::NextUsed(const ChainSlot& slot) {
  // Virtio 1.2, 2.8.5: WRITE in a used descriptor says that its length means something.
  uint16_t flags = slot.written > 0 ? kDescriptorWrite : 0;
  if (position_.used_wrap) flags |= kPackedDescriptorAvailable | kPackedDescriptorUsed;
  const UsedDescriptor used = {
      .index = position_.used,
      .value = uint64_t{slot.written} | uint64_t{slot.id} << 32 | uint64_t{flags} << 48};
  const uint32_t entries = slot.ring_descriptors;
  Forget(slot);
  returned_entries_ = std::min(returned_entries_ + entries, size());
  // Virtio 1.2, 2.8.6: the device skips as many entries as the list had.
  uint32_t next = position_.used + entries;
  if (next >= size()) {
    next -= size();
    position_.used_wrap = !position_.used_wrap;
  }
  position_.used = static_cast<uint16_t>(next);
  if (ABSL_PREDICT_FALSE(inflight_ != nullptr)) NotePut(slot.id);
  return used;
}

inline void PackedRing::Return(ChainSlot& slot) {
  // Release: what was written into the buffers is visible before the descriptor is used. Length, id
  // and flags go in one store, so that none is seen without the others.
  Put(NextUsed(slot), std::memory_order_release);
  if (ABSL_PREDICT_FALSE(inflight_ != nullptr)) {
    ChainSlot* const returned = &slot;
    NoteReturned({&returned, 1});
  }
}

}  // namespace touchstone

#endif  // TOUCHSTONE_DEVICES_VIRTIO_CORE_PACKED_RING_H_
