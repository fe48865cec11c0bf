// What happened on a queue since it was made.

#ifndef TOUCHSTONE_DEVICES_VIRTIO_CORE_QUEUE_STATS_H_
#define TOUCHSTONE_DEVICES_VIRTIO_CORE_QUEUE_STATS_H_

#include <cstdint>

namespace touchstone {

struct QueueStats {
  uint64_t popped = 0;
  uint64_t completed = 0;  // Dropped ones included.
  uint64_t dropped = 0;    // Chains that a device let go of without completing them.
};

}  // namespace touchstone

#endif  // TOUCHSTONE_DEVICES_VIRTIO_CORE_QUEUE_STATS_H_
