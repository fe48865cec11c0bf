// The memory that a back end keeps what it has in flight in, and that its front end gives to the
// back end that comes after it (vhost-user, "Inflight I/O tracking"):
//
//   | queue 0 | queue 1 | ...     each devices/virtio/core/inflight_layout.h, at a multiple of 64
//
// The front end is not trusted: it may give us any file, and cut it short later.
//
// Thread-compatible.

#ifndef TOUCHSTONE_DEVICES_VIRTIO_VHOST_USER_INFLIGHT_REGION_H_
#define TOUCHSTONE_DEVICES_VIRTIO_VHOST_USER_INFLIGHT_REGION_H_

#include <cstdint>
#include <utility>

#include "absl/status/statusor.h"
#include "base/memory/guest_memory.h"
#include "base/memory/guest_window.h"
#include "base/scoped_fd.h"
#include "devices/virtio/vhost_user/message.h"

namespace touchstone {

class VhostUserInflightRegion {
 public:
  // A file of zeros for so many queues of this size and kind, and what a front end is told of it.
  struct File {
    ScopedFd fd;
    VhostUserInflight description;
  };
  static absl::StatusOr<File> Make(uint16_t queues, uint16_t queue_size, bool packed);

  // Maps what a front end describes. InvalidArgument for what is not in the file.
  static absl::StatusOr<VhostUserInflightRegion> Map(const VhostUserInflight& description,
                                                     const ScopedFd& fd);

  // The part of a queue. InvalidArgument when there is none.
  [[nodiscard]] absl::StatusOr<GuestWindow> Window(uint16_t index, bool packed) const;

 private:
  VhostUserInflightRegion(const VhostUserInflight& description, GuestMemory memory)
      : description_(description), memory_(std::move(memory)) {}

  VhostUserInflight description_;
  GuestMemory memory_;  // From address 0 on.
};

}  // namespace touchstone

#endif  // TOUCHSTONE_DEVICES_VIRTIO_VHOST_USER_INFLIGHT_REGION_H_
