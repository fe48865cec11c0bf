// Where a back end of vhost-user keeps which chains it has in flight, so that the process that
// comes after it can take over ("Inflight I/O tracking"). One region for each queue, numbers
// little-endian:
//
//   split    features 8 | version 2 | entries 2 | last batch 2 | used index 2 |
//            n x | in flight 1 | padding 5 | next 2 | counter 8 |
//   packed   features 8 | version 2 | entries 2 | free 2 | old free 2 | used 2 | old used 2 |
//            used wrap 1 | old used wrap 1 | padding 10 |
//            n x | in flight 1 | padding 1 | next 2 | last 2 | number 2 | counter 8 |
//                  id 2 | flags 2 | length 4 | address 8 |
//
// The memory is shared with the front end, which is not trusted: it is read once, when a queue
// starts, and checked then; afterwards it is only written.

#ifndef TOUCHSTONE_DEVICES_VIRTIO_CORE_INFLIGHT_LAYOUT_H_
#define TOUCHSTONE_DEVICES_VIRTIO_CORE_INFLIGHT_LAYOUT_H_

#include <atomic>
#include <cstdint>

#include "absl/status/statusor.h"
#include "base/memory/guest_window.h"

namespace touchstone {

// Of regions that somebody has begun to use; 0 is one of zeros.
inline constexpr uint16_t kInflightVersion = 1;

// --- Of both kinds.
inline constexpr uint32_t kInflightVersionAt = 8;
inline constexpr uint32_t kInflightEntriesAt = 10;

// Bytes of a region.
[[nodiscard]] constexpr uint64_t InflightBytes(uint32_t entries, bool packed) {
  return packed ? 32 + uint64_t{32} * entries : 16 + uint64_t{16} * entries;
}

// Each store is seen after those before it: a process that dies leaves all of its stores up to one
// of them.
inline constexpr std::memory_order kInflightInOrder = std::memory_order_release;

// Looks at the beginning of a region that has room for `entries`, for a ring of `size`: whether
// nobody has used it yet. InvalidArgument when it is too small, or somebody used it otherwise.
absl::StatusOr<bool> IsNewInflight(const GuestWindow& region, uint32_t entries, uint32_t size);

}  // namespace touchstone

#endif  // TOUCHSTONE_DEVICES_VIRTIO_CORE_INFLIGHT_LAYOUT_H_
