// The chains in flight of a split ring, kept where they outlive the process (inflight_layout.h).
//
//   ASSIGN_OR_RETURN(SplitInflight inflight, SplitInflight::Create(window, used_index, position));
//   inflight.heads()             chains that a process before us had in flight, oldest first
//   Take -> ... -> Put -> the ring's index is published -> Done
//
// Thread-compatible.

#ifndef TOUCHSTONE_DEVICES_VIRTIO_CORE_SPLIT_INFLIGHT_H_
#define TOUCHSTONE_DEVICES_VIRTIO_CORE_SPLIT_INFLIGHT_H_

#include <cstdint>
#include <vector>

#include "absl/status/statusor.h"
#include "base/memory/guest_window.h"
#include "devices/virtio/core/queue_layout.h"

namespace touchstone {

class SplitInflight {
 public:
  // `window` is a region of at least `size` entries; `used_index` is that of the ring. A region
  // that nobody has used yet begins at `position`. InvalidArgument for one that makes no sense.
  static absl::StatusOr<SplitInflight> Create(GuestWindow window, uint32_t size,
                                              uint16_t used_index, const QueuePosition& position);

  [[nodiscard]] const std::vector<uint16_t>& heads() const { return heads_; }
  // Where the ring goes on: as Create was told, or behind the chains in flight.
  [[nodiscard]] const QueuePosition& position() const { return position_; }

  // A chain was found in the ring.
  void Take(uint16_t head);
  // It was not taken.
  void Untake(uint16_t head);
  // It is about to go back.
  void Put(uint16_t head);
  // The driver has it back, after the ring's index became this.
  void Done(uint16_t head) const;
  void SetUsed(uint16_t used_index) const;

 private:
  explicit SplitInflight(GuestWindow window) : window_(std::move(window)) {}

  absl::Status Begin(uint32_t entries, const QueuePosition& position);
  absl::Status Recover(uint32_t size, uint16_t used_index);

  GuestWindow window_;
  uint16_t last_batch_ = 0;
  uint64_t counter_ = 0;
  QueuePosition position_;
  std::vector<uint16_t> heads_;
};

}  // namespace touchstone

#endif  // TOUCHSTONE_DEVICES_VIRTIO_CORE_SPLIT_INFLIGHT_H_
