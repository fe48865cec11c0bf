// What a VirtQueue and its chains share: the ring, the slots of chains in flight, the counters. An
// implementation detail of both.
//
// Lives until its VirtQueue and the last of its chains are gone. Thread-compatible.

#ifndef TOUCHSTONE_DEVICES_VIRTIO_CORE_QUEUE_CORE_H_
#define TOUCHSTONE_DEVICES_VIRTIO_CORE_QUEUE_CORE_H_

#include <cstdint>
#include <memory>
#include <utility>
#include <variant>
#include <vector>

#include "absl/base/attributes.h"
#include "absl/base/optimization.h"
#include "absl/container/inlined_vector.h"
#include "absl/types/span.h"
#include "base/memory/guest_memory.h"
#include "base/memory/guest_view.h"
#include "devices/virtio/core/chain_slot.h"
#include "devices/virtio/core/packed_ring.h"
#include "devices/virtio/core/queue_layout.h"
#include "devices/virtio/core/queue_stats.h"
#include "devices/virtio/core/split_ring.h"

namespace touchstone {

class QueueCore {
 public:
  // Copied descriptors that the chains in flight of one queue may have together, short chains not
  // counted: what bounds the memory that a driver can make us hold with indirect tables.
  static constexpr uint32_t kMaxDescriptorsInFlight = 1 << 20;

  // Slots that are there from the start; more are made when more chains are in flight than ever.
  static constexpr uint32_t kFirstSlots = 16;

  using Ring = std::variant<SplitRing, PackedRing>;

  QueueCore(GuestMemory memory, uint32_t size, Ring ring);
  QueueCore(const QueueCore&) = delete;
  QueueCore& operator=(const QueueCore&) = delete;

  // Calls `visit` with the ring, whichever it is.
  template <typename Visit>
  auto WithRing(Visit visit) {
    if (SplitRing* split = std::get_if<SplitRing>(&ring_); split != nullptr) return visit(*split);
    return visit(*std::get_if<PackedRing>(&ring_));
  }

  // The next chain, now in flight; null when there is none or the queue is broken.
  ChainSlot* Take() {
    if (ABSL_PREDICT_FALSE(irregular_)) return TakeIrregular();
    return WithRing([this](auto& ring) { return TakeFrom(ring); });
  }
  // Chains are tracked from now on, and those that were in flight come first. REQUIRES: nothing was
  // taken; the inflight region is that of the kind of ring.
  template <typename Inflight>
  void Track(Inflight inflight) {
    WithRing([&](auto& ring) {
      if constexpr (requires { ring.Track(std::move(inflight)); }) {
        ring.Track(std::move(inflight));
        irregular_ = ring.may_resubmit();
      }
    });
  }
  [[nodiscard]] bool may_resubmit() const { return irregular_ && error_ == nullptr; }
  // Gives a chain back to the driver, and its slot back to us. Deletes this when it was the last
  // thing that kept it.
  void Complete(ChainSlot* slot);
  void Drop(ChainSlot* slot);
  // The same for several, at one moment.
  void CompleteAll(absl::Span<ChainSlot* const> slots);
  // The chain that was taken last was not taken.
  void PutBack(ChainSlot* slot);
  // The VirtQueue is gone: chains in flight complete into nothing. May delete this.
  void Abandon();

  [[nodiscard]] const GuestMemory& memory() const { return view_.memory(); }
  // For what is in one piece; chains are mostly near each other.
  [[nodiscard]] GuestView& view() { return view_; }
  [[nodiscard]] const char* error() const { return error_; }
  [[nodiscard]] uint32_t in_flight() const {
    return static_cast<uint32_t>(stats_.popped - stats_.completed);
  }
  [[nodiscard]] const QueueStats& stats() const { return stats_; }

 private:
  ~QueueCore() = default;

  template <typename RingType>
  ChainSlot* TakeFrom(RingType& ring);
  template <typename RingType>
  ABSL_ATTRIBUTE_NOINLINE ChainSlot* TakeLong(RingType& ring, typename RingType::Descriptor first,
                                              ChainSlot* slot);
  ChainSlot* Claim(ChainSlot* slot);
  ABSL_ATTRIBUTE_NOINLINE ChainSlot* TakeIrregular();
  // Counts the descriptors of a long chain; false when there are too many.
  bool CountDescriptors(const ChainSlot& slot);
  template <typename RingType>
  ABSL_ATTRIBUTE_NOINLINE ChainSlot* TakeWithMoreSlots(RingType& ring);
  // False when there are as many as the queue has entries.
  bool MakeSlots();
  ABSL_ATTRIBUTE_NOINLINE ChainSlot* Break(const char* error);
  ABSL_ATTRIBUTE_NOINLINE void CompleteAbandoned(ChainSlot* slot);
  ABSL_ATTRIBUTE_ALWAYS_INLINE void Free(ChainSlot* slot);

  GuestView view_;
  Ring ring_;
  const char* error_ = nullptr;  // What is wrong with the queue.
  bool irregular_ = false;       // That, or chains of a process before us are to be taken again.
  bool abandoned_ = false;
  uint32_t descriptors_in_flight_ = 0;  // Of chains that overflow their slot.
  ChainSlot* free_ = nullptr;           // The slot used last is taken first: it is in the cache.
  std::vector<uint64_t> ids_;           // Bit n: id n is in flight.
  const uint32_t size_;
  uint32_t slot_count_ = 0;
  absl::InlinedVector<std::unique_ptr<ChainSlot[]>, 1> slots_;  // Few queues need more.
  QueueStats stats_;
};

}  // namespace touchstone

#endif  // TOUCHSTONE_DEVICES_VIRTIO_CORE_QUEUE_CORE_H_
