// Where the three areas of a virtqueue are in guest memory, and how far a device got in it.
//
// Split ring of n entries, n a power of two (Virtio 1.2, 2.7):
//
//   descriptor area, aligned to 16     n x | address 8 | length 4 | flags 2 | next 2 |
//   driver area, aligned to 2          | flags 2 | index 2 | n x head 2 | used_event 2 |
//   device area, aligned to 4          | flags 2 | index 2 | n x (id 4, length 4) | avail_event 2 |
//
// Packed ring of n entries (Virtio 1.2, 2.8):
//
//   descriptor area, aligned to 16     n x | address 8 | length 4 | id 2 | flags 2 |
//   driver area, aligned to 4          | offset and wrap counter 2 | flags 2 |
//   device area, aligned to 4          | offset and wrap counter 2 | flags 2 |

#ifndef TOUCHSTONE_DEVICES_VIRTIO_CORE_QUEUE_LAYOUT_H_
#define TOUCHSTONE_DEVICES_VIRTIO_CORE_QUEUE_LAYOUT_H_

#include <cstdint>

#include "base/endian.h"
#include "base/memory/guest_address.h"

namespace touchstone {

// Virtio 1.2, 2.7 and 2.8.10.1: the largest queue size of either kind.
inline constexpr uint32_t kMaxQueueSize = 32768;

struct QueueLayout {
  uint32_t size = 0;  // Entries.
  GuestAddress descriptors{};
  GuestAddress driver{};
  GuestAddress device{};

  friend bool operator==(const QueueLayout&, const QueueLayout&) = default;
};

// Plain data, as vhost-user's GET_VRING_BASE carries it. A fresh queue has the default.
struct QueuePosition {
  // The next entry to look at and the next to return: free-running in a split ring, below the
  // queue's size in a packed one.
  uint16_t available = 0;
  uint16_t used = 0;
  // The wrap counters of a packed ring (Virtio 1.2, 2.8.1); true in a split one.
  bool available_wrap = true;
  bool used_wrap = true;

  friend bool operator==(const QueuePosition&, const QueuePosition&) = default;
};

// --- Descriptors of both kinds.

struct SplitDescriptor {
  Le64 address;
  Le32 length;
  Le16 flags;
  Le16 next;
};
static_assert(sizeof(SplitDescriptor) == 16);

struct PackedDescriptor {
  Le64 address;
  Le32 length;
  Le16 id;
  Le16 flags;
};
static_assert(sizeof(PackedDescriptor) == 16);

inline constexpr uint32_t kDescriptorSize = 16;

inline constexpr uint16_t kDescriptorNext = 1 << 0;             // The chain goes on.
inline constexpr uint16_t kDescriptorWrite = 1 << 1;            // The device writes, else it reads.
inline constexpr uint16_t kDescriptorIndirect = 1 << 2;         // The buffer is a descriptor table.
inline constexpr uint16_t kPackedDescriptorAvailable = 1 << 7;  // Compared with wrap counters.
inline constexpr uint16_t kPackedDescriptorUsed = 1 << 15;

// --- Notification suppression.

inline constexpr uint16_t kSplitNoInterrupt = 1 << 0;  // Flags of the driver area.
inline constexpr uint16_t kSplitNoNotify = 1 << 0;     // Flags of the device area.

inline constexpr uint16_t kPackedEventsEnable = 0;
inline constexpr uint16_t kPackedEventsDisable = 1;
inline constexpr uint16_t kPackedEventsDescriptor = 2;  // At one offset; with EVENT_IDX only.

}  // namespace touchstone

#endif  // TOUCHSTONE_DEVICES_VIRTIO_CORE_QUEUE_LAYOUT_H_
