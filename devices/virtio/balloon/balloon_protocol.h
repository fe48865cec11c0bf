// The numbers and structures of the balloon device (Virtio 1.2, 5.5).

#ifndef TOUCHSTONE_DEVICES_VIRTIO_BALLOON_BALLOON_PROTOCOL_H_
#define TOUCHSTONE_DEVICES_VIRTIO_BALLOON_BALLOON_PROTOCOL_H_

#include <cstdint>

#include "base/bits.h"
#include "base/endian.h"

namespace touchstone {

// --- Features (5.5.3).
inline constexpr uint64_t kBalloonMustTellHost = Bit<uint64_t>(0);  // Before pages are used again.
inline constexpr uint64_t kBalloonStatistics = Bit<uint64_t>(1);    // A queue of statistics.
inline constexpr uint64_t kBalloonDeflateOnOom =
    Bit<uint64_t>(2);  // The driver takes what it needs.
inline constexpr uint64_t kBalloonPageReporting = Bit<uint64_t>(5);  // A queue of free pages.

// Proposed, and in no published version: the host watches the guest's memory and reacts in time
// (crosvm.md 5.8). Promises the driver something, and asks nothing of it.
inline constexpr uint64_t kBalloonResponsiveDevice = Bit<uint64_t>(6);

// --- Configuration (5.5.4).
struct BalloonConfigSpace {
  Le32 num_pages;  // Wanted in the balloon.
  Le32 actual;     // That are there, as the driver says. Writable.
  Le32 free_page_hint_cmd_id;
  Le32 poison_value;
};
static_assert(sizeof(BalloonConfigSpace) == 16);

// Of page numbers and counts, whatever the guest's own pages are (5.5.6).
inline constexpr uint64_t kBalloonPageSize = 4096;

// --- Statistics (5.5.6.3, 5.5.6.4).
struct BalloonStatistic {
  Le16 tag;
  Le64 value;
};
static_assert(sizeof(BalloonStatistic) == 10);

// Tags from 0 on, in this order, and what crosvm adds (crosvm.md 5.8).
enum class BalloonTag : uint16_t {
  kSwapIn = 0,
  kSwapOut = 1,
  kMajorFaults = 2,
  kMinorFaults = 3,
  kFreeMemory = 4,
  kTotalMemory = 5,
  kAvailableMemory = 6,
  kDiskCaches = 7,
  kHugetlbAllocations = 8,
  kHugetlbFailures = 9,
  kSharedMemory = 65534,
  kUnevictableMemory = 65535,
};

}  // namespace touchstone

#endif  // TOUCHSTONE_DEVICES_VIRTIO_BALLOON_BALLOON_PROTOCOL_H_
