#include "devices/platform/serial/unix_socket.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <cstring>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/status.h"

namespace touchstone {
namespace {

// Errors after which another try may succeed: no socket file yet, nobody behind it, its owner too
// busy to accept.
bool MayChange(int error) { return error == ENOENT || error == ECONNREFUSED || error == EAGAIN; }

absl::Status ConnectError(int error, absl::string_view path) {
  const absl::Status status = ErrnoStatus(error, absl::StrCat("connect to ", path));
  return MayChange(error) ? absl::UnavailableError(status.message()) : status;
}

}  // namespace

absl::StatusOr<ScopedFd> ConnectUnix(absl::string_view path, int type) {
  sockaddr_un address = {};
  address.sun_family = AF_UNIX;
  std::string short_path(path);
  ScopedFd directory;
  if (short_path.size() >= sizeof(address.sun_path)) {
    const size_t slash = short_path.rfind('/');
    if (slash == std::string::npos) {
      return absl::InvalidArgumentError(absl::StrCat(path, " is too long for a socket's name"));
    }
    directory.Reset(
        open(short_path.substr(0, slash + 1).c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
    if (!directory.valid()) return ConnectError(errno, path);
    short_path = absl::StrCat("/proc/self/fd/", directory.get(), "/", short_path.substr(slash + 1));
    if (short_path.size() >= sizeof(address.sun_path)) {
      return absl::InvalidArgumentError(absl::StrCat(path, " is too long for a socket's name"));
    }
  }
  memcpy(address.sun_path, short_path.data(), short_path.size());

  ScopedFd socket_fd(socket(AF_UNIX, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (!socket_fd.valid()) return ErrnoStatus(errno, "socket");
  if (connect(socket_fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)) != 0) {
    return ConnectError(errno, path);
  }
  return socket_fd;
}

}  // namespace touchstone
