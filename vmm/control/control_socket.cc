#include "vmm/control/control_socket.h"

#include <errno.h>
#include <fcntl.h>
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

bool IsDirectory(const std::string& path) {
  struct stat status = {};
  return stat(path.c_str(), &status) == 0 && S_ISDIR(status.st_mode);
}

}  // namespace

absl::StatusOr<ControlSocket> ControlSocket::Listen(absl::string_view given) {
  std::string path(given);
  if (IsDirectory(path)) absl::StrAppend(&path, "/touchstone-", getpid(), ".sock");
  // A path too long for an address is reached through a descriptor of its directory.
  std::string short_path = path;
  ScopedFd directory;
  const size_t slash = path.rfind('/');
  if (path.size() >= sizeof(sockaddr_un::sun_path) && slash != std::string::npos) {
    directory.Reset(open(path.substr(0, slash + 1).c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
    if (!directory.valid()) return ErrnoStatus(errno, absl::StrCat("listen at ", path));
    short_path = absl::StrCat("/proc/self/fd/", directory.get(), path.substr(slash));
  }
  const absl::StatusOr<sockaddr_un> address = UnixAddress(short_path);
  if (!address.ok()) return UnixAddress(path).status();
  ScopedFd fd(socket(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (!fd.valid()) return ErrnoStatus(errno, "socket");
  // unix(7): the file takes its mode from the socket, so that there is no moment in which another
  // user may connect.
  if (fchmod(fd.get(), kOwnerOnly) != 0) return ErrnoStatus(errno, "fchmod of a socket");
  if (bind(fd.get(), reinterpret_cast<const sockaddr*>(&*address), sizeof(*address)) != 0) {
    if (errno == EADDRINUSE) {
      return absl::AlreadyExistsError(absl::StrCat("listen at ", path, ": the file exists"));
    }
    return ErrnoStatus(errno, absl::StrCat("listen at ", path));
  }
  ControlSocket self(std::move(fd), std::move(path));
  if (listen(self.fd(), kBacklog) != 0) {
    return ErrnoStatus(errno, absl::StrCat("listen at ", self.path_));
  }
  return self;
}

ControlSocket::ControlSocket(ScopedFd fd, std::string path)
    : fd_(std::move(fd)), path_(std::move(path)) {
  struct stat status = {};
  if (lstat(path_.c_str(), &status) != 0) return;
  device_ = status.st_dev;
  inode_ = status.st_ino;
}

ControlSocket::ControlSocket(ControlSocket&& other) noexcept
    : fd_(std::move(other.fd_)),
      path_(std::exchange(other.path_, {})),
      device_(other.device_),
      inode_(other.inode_) {}

ControlSocket::~ControlSocket() {
  struct stat status = {};
  if (path_.empty() || lstat(path_.c_str(), &status) != 0) return;
  if (status.st_dev == device_ && status.st_ino == inode_) unlink(path_.c_str());
}

}  // namespace touchstone
