#include "base/event_fd.h"

#include <errno.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/status.h"

namespace touchstone {

absl::StatusOr<EventFd> EventFd::Create() {
  ScopedFd fd(eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC));
  if (!fd.valid()) return ErrnoStatus(errno, "eventfd");
  return EventFd(std::move(fd));
}

void EventFd::Signal() const {
  const uint64_t one = 1;
  [[maybe_unused]] const ssize_t ignored = write(fd_.get(), &one, sizeof(one));
}

uint64_t EventFd::Drain() const {
  uint64_t count = 0;
  if (read(fd_.get(), &count, sizeof(count)) != sizeof(count)) return 0;
  return count;
}

absl::StatusOr<EventFd> EventFd::Duplicate() const {
  ASSIGN_OR_RETURN(ScopedFd fd, fd_.Duplicate());
  return EventFd(std::move(fd));
}

}  // namespace touchstone
