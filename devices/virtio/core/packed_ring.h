// The packed virtqueue, seen from the device (Virtio 1.2, 2.8; layout: queue_layout.h).
//
// A descriptor is available when its AVAIL bit equals the available wrap counter and its USED bit
// does not; the device returns a buffer by writing one descriptor with both bits equal to the used
// wrap counter, and skips as many entries as the buffer took.
//
// Descriptors are copied once and the copy is believed. Thread-compatible.

#ifndef TOUCHSTONE_DEVICES_VIRTIO_CORE_PACKED_RING_H_
#define TOUCHSTONE_DEVICES_VIRTIO_CORE_PACKED_RING_H_

#include <cstdint>

#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "base/memory/guest_memory.h"
#include "base/memory/guest_window.h"
#include "devices/virtio/core/chain_slot.h"
#include "devices/virtio/core/queue_layout.h"

namespace touchstone {

// The methods mean what those of SplitRing mean.
class PackedRing {
 public:
  // InvalidArgument for a size of 0 or above 32768, areas that are not aligned, or a position
  // beyond the end; OutOfRange for areas that are not all guest memory.
  static absl::StatusOr<PackedRing> Create(const GuestMemory& memory, const QueueLayout& layout,
                                           uint64_t features, const QueuePosition& position);

  bool HasNext(const char*& error) const;
  const char* Take(const GuestMemory& memory, ChainSlot& slot);
  void Untake(const ChainSlot& slot);
  void Return(const ChainSlot& slot);
  void ReturnAll(absl::Span<ChainSlot* const> slots);

  void EnableKicks();
  void DisableKicks();
  bool NeedsSignal();

  [[nodiscard]] QueuePosition position() const;
  // Virtio 1.2, 2.8.5: ids are opaque to the device.
  [[nodiscard]] uint32_t id_limit() const { return 0x10000; }

 private:
  // A used descriptor: where it goes, and the quadword of length, id and flags.
  struct UsedDescriptor {
    uint32_t offset = 0;
    uint64_t value = 0;
  };

  PackedRing(const QueueLayout& layout, uint64_t features, const QueuePosition& position,
             GuestWindow descriptors, GuestWindow driver, GuestWindow device);
  // The next used descriptor, for this chain; the position is behind it then.
  UsedDescriptor NextUsed(const ChainSlot& slot);
  const char* TakeChain(const GuestMemory& memory, ChainSlot& slot, uint32_t& entries);
  const char* TakeIndirect(const GuestMemory& memory, const PackedDescriptor& table, uint32_t count,
                           ChainSlot& slot) const;

  const uint32_t size_;
  const bool event_index_;
  const bool indirect_;
  QueuePosition position_;
  uint32_t in_flight_ = 0;         // Ring entries of chains that were taken and not returned.
  uint32_t returned_entries_ = 0;  // Since NeedsSignal was last asked; no more than size_.
  GuestWindow descriptors_;
  GuestWindow driver_;
  GuestWindow device_;
};

}  // namespace touchstone

#endif  // TOUCHSTONE_DEVICES_VIRTIO_CORE_PACKED_RING_H_
