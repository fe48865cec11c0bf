#include "base/scoped_fd.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include <cstdint>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "base/status.h"

namespace touchstone {

void ScopedFd::Reset(int fd) {
  if (fd_ >= 0) close(fd_);
  fd_ = fd;
}

absl::StatusOr<ScopedFd> ScopedFd::Duplicate() const {
  ScopedFd copy(fcntl(fd_, F_DUPFD_CLOEXEC, 0));
  if (!copy.valid()) return ErrnoStatus(errno, absl::StrCat("duplicate descriptor ", fd_));
  return copy;
}

absl::StatusOr<ScopedFd> OpenFile(absl::string_view path, int flags, int mode) {
  absl::string_view number = path;
  int inherited;
  if (absl::ConsumePrefix(&number, "/proc/self/fd/") && absl::SimpleAtoi(number, &inherited) &&
      inherited >= 0) {
    ScopedFd copy(fcntl(inherited, F_DUPFD_CLOEXEC, 0));
    if (!copy.valid()) return ErrnoStatus(errno, absl::StrCat("inherited descriptor ", path));
    return copy;
  }
  ScopedFd fd(open(std::string(path).c_str(), flags | O_CLOEXEC, mode));
  if (!fd.valid()) return ErrnoStatus(errno, absl::StrCat("open ", path));
  return fd;
}

}  // namespace touchstone
