// The split virtqueue, seen from the device (Virtio 1.2, 2.7; layout: queue_layout.h): where the
// next chain is and how one goes back. VirtQueue adds what both kinds of ring share.
//
// Each entry of the ring and each descriptor is read once. Thread-compatible.

#ifndef TOUCHSTONE_DEVICES_VIRTIO_CORE_SPLIT_RING_H_
#define TOUCHSTONE_DEVICES_VIRTIO_CORE_SPLIT_RING_H_

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
#include "base/endian.h"
#include "base/memory/guest_array.h"
#include "base/memory/guest_memory.h"
#include "base/memory/guest_window.h"
#include "devices/virtio/core/chain_slot.h"
#include "devices/virtio/core/queue_layout.h"
#include "devices/virtio/core/split_inflight.h"

namespace touchstone {

// Of the driver and the device area (Virtio 1.2, 2.7.6 and 2.7.8); the ring follows, and after it
// an event index.
inline constexpr uint32_t kSplitRingFlags = 0;
inline constexpr uint32_t kSplitRingIndex = 2;
inline constexpr uint32_t kSplitRingHeader = 4;

// A used element (Virtio 1.2, 2.7.8).
struct SplitUsedElement {
  Le32 id;
  Le32 length;
};
static_assert(sizeof(SplitUsedElement) == 8);

class SplitRing {
 public:
  using Descriptor = SplitDescriptor;

  // InvalidArgument for a size that is 0, no power of two or above 32768, or areas that are not
  // aligned; OutOfRange for areas that are not all guest memory.
  static absl::StatusOr<SplitRing> Create(const GuestMemory& memory, const GuestMemory& device_area,
                                          const QueueLayout& layout, uint64_t features,
                                          const QueuePosition& position);

  // Chains are tracked from now on, and those that were in flight are taken once more: by Resubmit,
  // before all others. REQUIRES: nothing is in flight, and the ring is at inflight.position().
  void Track(SplitInflight inflight);
  [[nodiscard]] bool may_resubmit() const { return !resubmit_.empty(); }
  // As TakeLong, for the oldest of them. REQUIRES: may_resubmit().
  const char* Resubmit(const GuestMemory& memory, ChainSlot& slot);

  // True when a chain is available. Sets `error` when the driver's index makes no sense.
  ABSL_ATTRIBUTE_ALWAYS_INLINE bool HasNext(const char*& error);
  // Takes the next chain, which HasNext found: its first descriptor is copied here. Sets `error`
  // when it makes no sense.
  ABSL_ATTRIBUTE_ALWAYS_INLINE SplitDescriptor ReadFirst(ChainSlot& slot, const char*& error);
  // It is the only one, and is in the slot. Returns what is wrong, or null.
  const char* EndSingle(SplitDescriptor /*first*/, ChainSlot& /*slot*/) { return nullptr; }
  // Copies a chain of more than one descriptor, or a table of them, into the slot. Returns what is
  // wrong with it, or null.
  const char* TakeLong(const GuestMemory& memory, SplitDescriptor descriptor, ChainSlot& slot);
  // Takes back the last Take.
  void Untake(const ChainSlot& slot);
  // Returns a chain that Take copied.
  ABSL_ATTRIBUTE_ALWAYS_INLINE void Return(const ChainSlot& slot) {
    PutUsed(slot);
    PublishUsed();
    if (ABSL_PREDICT_FALSE(inflight_ != nullptr)) NoteReturned(slot);
  }
  // Returns several, of which the driver sees all or none.
  void ReturnAll(absl::Span<ChainSlot* const> slots);

  // As VirtQueue's methods of these names; EnableKicks says only how to ask, not whether a chain is
  // there already.
  void EnableKicks();
  void DisableKicks();
  bool NeedsSignal();

  [[nodiscard]] QueuePosition position() const;

 private:
  static constexpr const char* kBeyondTable = "a descriptor index is beyond the end of the table";
  // Of a head.
  static constexpr uint8_t kTaken = 1;
  static constexpr uint8_t kResubmitted = 2;

  using Descriptors = GuestArray<SplitDescriptor, kDescriptorSize>;
  using Available = GuestArray<uint16_t>;
  using Used = GuestArray<SplitUsedElement, 4>;

  SplitRing(uint64_t features, const QueuePosition& position, Descriptors descriptors,
            Available available, GuestWindow driver, Used used, GuestWindow device);
  [[nodiscard]] uint32_t size() const { return descriptors_.count(); }
  void PutUsed(const ChainSlot& slot);
  void PublishUsed();
  [[clang::preserve_most]] ABSL_ATTRIBUTE_NOINLINE void NoteTaken(uint16_t head) {
    inflight_->Take(head);
  }
  [[clang::preserve_most]] ABSL_ATTRIBUTE_NOINLINE void NotePut(uint16_t head) {
    inflight_->Put(head);
  }
  [[clang::preserve_most]] ABSL_ATTRIBUTE_NOINLINE void NoteReturned(const ChainSlot& slot) {
    inflight_->Done(slot.id);
    inflight_->SetUsed(next_used_);
  }
  const char* TakeIndirect(const GuestMemory& memory, SplitDescriptor table, uint32_t count,
                           ChainBuilder chain) const;

  bool event_index_;
  bool indirect_;
  uint16_t next_available_;
  uint16_t seen_available_;  // The driver's index when it was last read.
  uint16_t next_used_;
  uint16_t signalled_used_;  // next_used_ when NeedsSignal was last asked.
  Descriptors descriptors_;
  Available available_;
  Used used_;
  GuestWindow driver_;
  GuestWindow device_;
  std::vector<uint8_t> in_flight_;           // Whether the chain of this head is, and how it came.
  std::unique_ptr<SplitInflight> inflight_;  // Null when they are not tracked.
  std::vector<uint16_t> resubmit_;           // Heads, the oldest last.
};

// --- The path of every chain, in the header so that it becomes one function of the queue.

inline bool SplitRing::HasNext(const char*& error) {
  if (seen_available_ != next_available_) return true;
  // Acquire: the entries and descriptors that the driver wrote before the index are seen.
  seen_available_ = driver_.Load<uint16_t>(kSplitRingIndex, std::memory_order_acquire);
  const uint16_t waiting = static_cast<uint16_t>(seen_available_ - next_available_);
  if (waiting == 0) return false;
  if (waiting > size()) {
    error = "the available index is further ahead than the queue is long";
    return false;
  }
  return true;
}

inline SplitDescriptor SplitRing::ReadFirst(ChainSlot& slot, const char*& error) {
  // Relaxed: ordered by HasNext.
  const uint16_t head = available_.LoadWrapped(next_available_, std::memory_order_relaxed);
  ++next_available_;
  if (head >= size()) {
    error = kBeyondTable;
    return {};
  }
  // A driver must not offer again what it was not given back.
  if (in_flight_[head] != 0) {
    error = "a chain is made available twice";
    return {};
  }
  in_flight_[head] = kTaken;
  if (ABSL_PREDICT_FALSE(inflight_ != nullptr)) NoteTaken(head);
  slot.id = head;
  return descriptors_.Read(head);
}

inline void SplitRing::PutUsed(const ChainSlot& slot) {
  if (ABSL_PREDICT_FALSE(inflight_ != nullptr)) NotePut(slot.id);
  used_.WriteWrapped(next_used_, {.id = uint32_t{slot.id}, .length = slot.written});
  ++next_used_;
  in_flight_[slot.id] = 0;
}

inline void SplitRing::PublishUsed() {
  // Release: Virtio 1.2, 2.7.8.2: the element MUST be visible before the index.
  device_.Store<uint16_t>(kSplitRingIndex, next_used_, std::memory_order_release);
}

}  // namespace touchstone

#endif  // TOUCHSTONE_DEVICES_VIRTIO_CORE_SPLIT_RING_H_
