// What a guest says of its memory (Virtio 1.2, 5.5.6.3).

#ifndef TOUCHSTONE_DEVICES_VIRTIO_BALLOON_BALLOON_STATISTICS_H_
#define TOUCHSTONE_DEVICES_VIRTIO_BALLOON_BALLOON_STATISTICS_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>

#include "absl/types/optional.h"
#include "devices/virtio/balloon/balloon_protocol.h"

namespace touchstone {

// Plain data: values by tag, those that the guest did not say left out. Thread-compatible.
class BalloonStatistics {
 public:
  // Tags that are not known are passed over; of several equal ones the last counts.
  void Set(const BalloonStatistic& statistic);
  [[nodiscard]] absl::optional<uint64_t> Get(BalloonTag tag) const;
  // As JSON, in crosvm's words: {"swap_in": 0, ..., "shared_memory": null}.
  [[nodiscard]] std::string ToJson() const;

 private:
  static constexpr size_t kKnownTags = 12;
  // Where the tag's value is; kKnownTags of one that is not known.
  static size_t IndexOf(BalloonTag tag);

  std::array<absl::optional<uint64_t>, kKnownTags> values_;
};

}  // namespace touchstone

#endif  // TOUCHSTONE_DEVICES_VIRTIO_BALLOON_BALLOON_STATISTICS_H_
