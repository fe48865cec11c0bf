// The chains in flight of a packed ring, with their descriptors, kept where they outlive the
// process (inflight_layout.h): in the ring they are overwritten by those that are returned.
//
//   Append for each descriptor -> Take(id) -> ... -> Put(id) -> the ring's flags are written ->
//   Done
//
// Thread-compatible.

#ifndef TOUCHSTONE_DEVICES_VIRTIO_CORE_PACKED_INFLIGHT_H_
#define TOUCHSTONE_DEVICES_VIRTIO_CORE_PACKED_INFLIGHT_H_

#include <cstdint>
#include <functional>
#include <vector>

#include "absl/status/statusor.h"
#include "base/memory/guest_window.h"
#include "devices/virtio/core/queue_layout.h"

namespace touchstone {

class PackedInflight {
 public:
  // What a process before us had in flight.
  struct Chain {
    uint16_t id = 0;
    std::vector<PackedDescriptor> descriptors;
  };

  // `flags_of` reads the flags of a descriptor of the ring, which has `size`. The rest is as in
  // SplitInflight::Create.
  static absl::StatusOr<PackedInflight> Create(GuestWindow window, uint32_t size,
                                               const std::function<uint16_t(uint16_t)>& flags_of,
                                               const QueuePosition& position);

  // Oldest first. May be moved from.
  [[nodiscard]] std::vector<Chain>& chains() { return chains_; }
  [[nodiscard]] const QueuePosition& position() const { return position_; }

  // The next descriptor of a chain that is being taken; no more than the ring has. A chain that is
  // never taken costs nothing: Begin starts over.
  void Begin() { next_ = free_; }
  void Append(const PackedDescriptor& descriptor);
  void Take(uint16_t id);
  void Untake(uint16_t id);
  // The chain is about to go back, after which the ring is at `position`.
  void Put(uint16_t id, const QueuePosition& position);
  // The driver has it back; Commit follows, when it has all that were put.
  void Done(uint16_t id) const;
  void Commit();

 private:
  struct Taken {
    uint16_t head = 0;
    uint16_t last = 0;
  };

  explicit PackedInflight(GuestWindow window, uint32_t entries)
      : window_(std::move(window)), links_(entries), taken_(0x10000) {}

  void Initialize(const QueuePosition& position);
  absl::Status Recover(uint32_t size, const std::function<uint16_t(uint16_t)>& flags_of);
  absl::Status ReadChains(uint32_t size, std::vector<bool> seen);
  // The chain joins the free ones.
  void Unlink(uint16_t id);

  GuestWindow window_;
  // What the window says, as we wrote it. A link beyond the end ends the list.
  std::vector<uint16_t> links_;
  uint16_t free_ = 0;
  uint16_t next_ = 0;         // Where Append goes on.
  uint16_t last_ = 0;         // Where it was last.
  uint16_t appended_ = 0;     // By Append since Begin.
  std::vector<Taken> taken_;  // By id.
  uint64_t counter_ = 0;
  QueuePosition position_;
  std::vector<Chain> chains_;
};

}  // namespace touchstone

#endif  // TOUCHSTONE_DEVICES_VIRTIO_CORE_PACKED_INFLIGHT_H_
