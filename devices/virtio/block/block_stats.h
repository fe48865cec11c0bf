// What a block device did since it was made. Thread-safe.

#ifndef TOUCHSTONE_DEVICES_VIRTIO_BLOCK_BLOCK_STATS_H_
#define TOUCHSTONE_DEVICES_VIRTIO_BLOCK_BLOCK_STATS_H_

#include <atomic>
#include <cstdint>

namespace touchstone {

struct BlockStats {
  std::atomic<uint64_t> requests{0};     // Answered, whatever the answer.
  std::atomic<uint64_t> refused{0};      // Of them: not a request, or not one for this disk.
  std::atomic<uint64_t> unsupported{0};  // Of them.
  std::atomic<uint64_t> failed{0};       // Of them: the host could not do it.
  std::atomic<uint64_t> bounced{0};      // Of them: through a bounce buffer.
};

}  // namespace touchstone

#endif  // TOUCHSTONE_DEVICES_VIRTIO_BLOCK_BLOCK_STATS_H_
