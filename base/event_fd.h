// An eventfd(2): a counter that one side adds to and the other waits on, also inside KVM (irqfd,
// ioeventfd).
//
// Thread-safe.

#ifndef TOUCHSTONE_BASE_EVENT_FD_H_
#define TOUCHSTONE_BASE_EVENT_FD_H_

#include <cstdint>
#include <utility>

#include "absl/status/statusor.h"
#include "base/scoped_fd.h"

namespace touchstone {

class EventFd {
 public:
  // Non-blocking, close-on-exec, counter 0.
  static absl::StatusOr<EventFd> Create();
  // Takes an eventfd that came from elsewhere (a peer, a duplicate).
  explicit EventFd(ScopedFd fd) : fd_(std::move(fd)) {}

  // Adds one. A counter that is full already says what there is to say.
  void Signal() const;
  // Returns the counter and sets it to 0; 0 when nothing was signalled.
  uint64_t Drain() const;

  // Another handle to the same counter.
  [[nodiscard]] absl::StatusOr<EventFd> Duplicate() const;
  [[nodiscard]] int fd() const { return fd_.get(); }

 private:
  ScopedFd fd_;
};

}  // namespace touchstone

#endif  // TOUCHSTONE_BASE_EVENT_FD_H_
