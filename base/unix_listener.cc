#include "base/unix_listener.h"

#include <errno.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <utility>

#include "absl/strings/str_cat.h"
#include "base/status.h"
#include "base/unix_socket.h"

namespace touchstone {
namespace {

constexpr int kBacklog = 128;
constexpr mode_t kOwnerOnly = 0600;

}  // namespace

absl::StatusOr<UnixListener> UnixListener::Listen(absl::string_view path, int type) {
  const auto failed = [path](int error) {
    return ErrnoStatus(error, absl::StrCat("listen at ", path));
  };
  ASSIGN_OR_RETURN(const UnixPath reached, ReachUnixPath(path, failed));
  ScopedFd fd(socket(AF_UNIX, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (!fd.valid()) return ErrnoStatus(errno, "socket");
  // unix(7): the file takes its mode from the socket, so that there is no moment in which another
  // user may connect.
  if (fchmod(fd.get(), kOwnerOnly) != 0) return ErrnoStatus(errno, "fchmod of a socket");
  if (bind(fd.get(), reinterpret_cast<const sockaddr*>(&reached.address),
           sizeof(reached.address)) != 0) {
    if (errno == EADDRINUSE) {
      return absl::AlreadyExistsError(absl::StrCat("listen at ", path, ": the file exists"));
    }
    return failed(errno);
  }
  UnixListener self(std::move(fd), std::string(path));
  if (listen(self.fd(), kBacklog) != 0) {
    return ErrnoStatus(errno, absl::StrCat("listen at ", self.path_));
  }
  return self;
}

UnixListener::UnixListener(ScopedFd fd, std::string path)
    : fd_(std::move(fd)), path_(std::move(path)) {
  struct stat status = {};
  if (lstat(path_.c_str(), &status) != 0) return;
  device_ = status.st_dev;
  inode_ = status.st_ino;
}

UnixListener::UnixListener(UnixListener&& other) noexcept
    : fd_(std::move(other.fd_)),
      path_(std::exchange(other.path_, {})),
      device_(other.device_),
      inode_(other.inode_) {}

UnixListener::~UnixListener() {
  struct stat status = {};
  if (path_.empty() || lstat(path_.c_str(), &status) != 0) return;
  if (status.st_dev == device_ && status.st_ino == inode_) unlink(path_.c_str());
}

}  // namespace touchstone
