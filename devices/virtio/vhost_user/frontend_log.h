// The log in which a vhost-user back end marks the pages that it writes: memory that this front end
// makes, gives away and reads (vhost-user, "Migration").
//
// Thread-safe.

#ifndef TOUCHSTONE_DEVICES_VIRTIO_VHOST_USER_FRONTEND_LOG_H_
#define TOUCHSTONE_DEVICES_VIRTIO_VHOST_USER_FRONTEND_LOG_H_

#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "base/memory/dirty_bitmap.h"
#include "base/memory/guest_memory.h"
#include "base/scoped_fd.h"
#include "devices/virtio/core/queue_layout.h"
#include "devices/virtio/vhost_user/message.h"

namespace touchstone {

class VhostUserFrontendLog {
 public:
  // For all pages of `memory`, all clean. The file cannot be cut short.
  static absl::StatusOr<std::unique_ptr<VhostUserFrontendLog>> Create(const GuestMemory& memory);

  // What the back end is told of it.
  [[nodiscard]] const VhostUserLog& description() const { return description_; }
  [[nodiscard]] int fd() const { return fd_.get(); }

  // Marks all that a device writes of a ring, of either kind.
  void MarkRing(const QueueLayout& layout);
  // The pages that were marked (bit n % 64 of word n / 64 is guest page n), which are clean then.
  std::vector<uint64_t> Take() { return bitmap_.Take(); }

 private:
  VhostUserFrontendLog(VhostUserLog description, ScopedFd fd, DirtyMarks marks)
      : description_(description), fd_(std::move(fd)), bitmap_(std::move(marks), 0) {}

  const VhostUserLog description_;
  const ScopedFd fd_;
  DirtyBitmap bitmap_;
};

}  // namespace touchstone

#endif  // TOUCHSTONE_DEVICES_VIRTIO_VHOST_USER_FRONTEND_LOG_H_
