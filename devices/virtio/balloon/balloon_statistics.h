// What a guest says of its memory (Virtio 1.2, 5.5.6.3).

#ifndef TOUCHSTONE_DEVICES_VIRTIO_BALLOON_BALLOON_STATISTICS_H_
#define TOUCHSTONE_DEVICES_VIRTIO_BALLOON_BALLOON_STATISTICS_H_

#include <cstdint>
#include <string>

#include "absl/container/flat_hash_map.h"
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
  absl::flat_hash_map<uint16_t, uint64_t> values_;  // At most one for each known tag.
};

}  // namespace touchstone

#endif  // TOUCHSTONE_DEVICES_VIRTIO_BALLOON_BALLOON_STATISTICS_H_
