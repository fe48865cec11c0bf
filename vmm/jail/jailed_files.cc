#include "vmm/jail/jailed_files.h"

#include <errno.h>
#include <fcntl.h>

#include <algorithm>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "base/status.h"
#include "vmm/jail/connect_broker.h"

namespace touchstone {

absl::StatusOr<ScopedFd> JailedFiles::Open(absl::string_view path, int flags) {
  const auto file = std::find_if(files_.begin(), files_.end(), [&](const File& each) {
    return each.path == path && each.access == (flags & O_ACCMODE);
  });
  if (file == files_.end()) return absl::NotFoundError(absl::StrCat("open ", path));
  ScopedFd copy(fcntl(file->fd, F_DUPFD_CLOEXEC, 0));
  if (!copy.valid()) return ErrnoStatus(errno, absl::StrCat("open ", path));
  return copy;
}

absl::StatusOr<ScopedFd> JailedFiles::Connect(absl::string_view path, int type) {
  if (!broker_.valid()) {
    return absl::PermissionDeniedError(
        absl::StrCat("connect to ", path, ": this device connects to nothing"));
  }
  MutexLock lock(mutex_);
  return ConnectByBroker(broker_, path, type);
}

}  // namespace touchstone
