// The split virtqueue, seen from the device (Virtio 1.2, 2.7; layout: queue_layout.h): where the
// next chain is and how one goes back. VirtQueue adds what both kinds of ring share.
//
// Each entry of the ring and each descriptor is read once. Thread-compatible.

#ifndef TOUCHSTONE_DEVICES_VIRTIO_CORE_SPLIT_RING_H_
#define TOUCHSTONE_DEVICES_VIRTIO_CORE_SPLIT_RING_H_

#include <cstdint>

#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "base/memory/guest_memory.h"
#include "base/memory/guest_window.h"
#include "devices/virtio/core/chain_slot.h"
#include "devices/virtio/core/queue_layout.h"

namespace touchstone {

class SplitRing {
 public:
  // InvalidArgument for a size that is 0, no power of two or above 32768, or areas that are not
  // aligned; OutOfRange for areas that are not all guest memory.
  static absl::StatusOr<SplitRing> Create(const GuestMemory& memory, const QueueLayout& layout,
                                          uint64_t features, const QueuePosition& position);

  // True when a chain is available. Sets `error` when the driver's index makes no sense.
  bool HasNext(const char*& error);
  // Copies the next chain, which HasNext found. Returns what is wrong with it, or null.
  const char* Take(const GuestMemory& memory, ChainSlot& slot);
  // Takes back the last Take.
  void Untake(const ChainSlot& slot);
  // Returns a chain that Take copied.
  void Return(const ChainSlot& slot);
  // Returns several, of which the driver sees all or none.
  void ReturnAll(absl::Span<ChainSlot* const> slots);

  // As VirtQueue's methods of these names; EnableKicks says only how to ask, not whether a chain is
  // there already.
  void EnableKicks();
  void DisableKicks();
  bool NeedsSignal();

  [[nodiscard]] QueuePosition position() const;
  // Ids are below this.
  [[nodiscard]] uint32_t id_limit() const { return size_; }

 private:
  SplitRing(const QueueLayout& layout, uint64_t features, const QueuePosition& position,
            GuestWindow descriptors, GuestWindow driver, GuestWindow device);
  void PutUsed(const ChainSlot& slot);
  void PublishUsed();
  const char* TakeIndirect(const GuestMemory& memory, const SplitDescriptor& table, uint32_t count,
                           ChainSlot& slot) const;

  const uint32_t size_;
  const bool event_index_;
  const bool indirect_;
  uint16_t next_available_;
  uint16_t seen_available_;  // The driver's index when it was last read.
  uint16_t next_used_;
  uint16_t signalled_used_;  // next_used_ when NeedsSignal was last asked.
  GuestWindow descriptors_;
  GuestWindow driver_;
  GuestWindow device_;
};

}  // namespace touchstone

#endif  // TOUCHSTONE_DEVICES_VIRTIO_CORE_SPLIT_RING_H_
