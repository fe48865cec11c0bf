// Pages that come one by one in any order, as ranges that are as long as can be: a call into the
// host for each range, not for each page.
//
//   PageBatch batch;
//   while (!batch.full()) batch.Add(frame);
//   for (const GuestMemory::RegionSpec& range : batch.TakeRanges()) ...
//
// Thread-compatible.

#ifndef TOUCHSTONE_DEVICES_VIRTIO_BALLOON_PAGE_BATCH_H_
#define TOUCHSTONE_DEVICES_VIRTIO_BALLOON_PAGE_BATCH_H_

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>

#include "absl/container/inlined_vector.h"
#include "absl/types/span.h"
#include "base/endian.h"
#include "base/memory/guest_address.h"
#include "base/memory/guest_memory.h"
#include "devices/virtio/balloon/balloon_protocol.h"

namespace touchstone {

class PageBatch {
 public:
  static constexpr size_t kCapacity = 1024;

  [[nodiscard]] bool full() const { return size_ == kCapacity; }
  // REQUIRES: !full().
  void Add(uint32_t frame) {
    // The same page over and over again costs little.
    if (size_ > 0 && frames_[size_ - 1] == frame) return;
    frames_[size_++] = frame;
  }
  // Whether all of them are the page added last, so that to add them would change nothing.
  [[nodiscard]] bool Repeats(absl::Span<const Le32> frames) const {
    return size_ > 0 && !frames.empty() && frames.front() == frames_[size_ - 1] &&
           memcmp(frames.data(), frames.data() + 1, (frames.size() - 1) * sizeof(Le32)) == 0;
  }

  // The ranges in the order of their addresses; forgets all pages. Pages that were added twice are
  // there once.
  using Ranges = absl::InlinedVector<GuestMemory::RegionSpec, 16>;
  Ranges TakeRanges() {
    Ranges ranges;
    const auto end_of_frames = frames_.begin() + size_;
    if (!std::is_sorted(frames_.begin(), end_of_frames)) std::sort(frames_.begin(), end_of_frames);
    for (size_t i = 0; i < size_;) {
      const uint64_t first = frames_[i];
      uint64_t end = first + 1;
      for (++i; i < size_ && frames_[i] <= end; ++i) end = uint64_t{frames_[i]} + 1;
      ranges.push_back({GuestAddress{first * kBalloonPageSize}, (end - first) * kBalloonPageSize});
    }
    size_ = 0;
    return ranges;
  }

 private:
  std::array<uint32_t, kCapacity> frames_;
  size_t size_ = 0;
};

}  // namespace touchstone

#endif  // TOUCHSTONE_DEVICES_VIRTIO_BALLOON_PAGE_BATCH_H_
