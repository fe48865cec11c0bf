#include "base/unix_socket.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/socket.h>

#include <cstring>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/file_provider.h"
#include "base/status.h"

namespace touchstone {
namespace {

absl::Status ConnectError(int error, absl::string_view path) {
  const absl::Status status = ErrnoStatus(error, absl::StrCat("connect to ", path));
  switch (error) {
    case ENOENT:
      return absl::NotFoundError(status.message());
    case ECONNREFUSED:
      return absl::FailedPreconditionError(status.message());
    case EAGAIN:
      return absl::UnavailableError(status.message());
    default:
      // These codes are kept for the three above.
      return MayConnectLater(status) ? absl::InternalError(status.message()) : status;
  }
}

}  // namespace

absl::StatusOr<sockaddr_un> UnixAddress(absl::string_view path) {
  sockaddr_un address = {};
  address.sun_family = AF_UNIX;
  if (path.empty() || path.size() >= sizeof(address.sun_path) ||
      path.find('\0') != absl::string_view::npos) {
    return absl::InvalidArgumentError(absl::StrCat("'", path, "' is no socket path: 1 to ",
                                                   sizeof(address.sun_path) - 1,
                                                   " bytes are accepted, none of them 0"));
  }
  memcpy(address.sun_path, path.data(), path.size());
  return address;
}

absl::StatusOr<UnixPath> ReachUnixPath(absl::string_view path,
                                       absl::FunctionRef<absl::Status(int error)> failed) {
  std::string short_path(path);
  ScopedFd directory;
  const size_t slash = short_path.rfind('/');
  if (short_path.size() >= sizeof(sockaddr_un::sun_path) && slash != std::string::npos) {
    directory.Reset(
        open(short_path.substr(0, slash + 1).c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
    if (!directory.valid()) return failed(errno);
    short_path = absl::StrCat("/proc/self/fd/", directory.get(), short_path.substr(slash));
  }
  const absl::StatusOr<sockaddr_un> address = UnixAddress(short_path);
  if (!address.ok()) return UnixAddress(path).status();
  return UnixPath{.address = *address, .directory = std::move(directory)};
}

absl::StatusOr<ScopedFd> ConnectUnix(absl::string_view path, int type) {
  if (FileProvider* const provider = GetFileProvider(); provider != nullptr) {
    return provider->Connect(path, type);
  }
  ASSIGN_OR_RETURN(const UnixPath reached,
                   ReachUnixPath(path, [path](int error) { return ConnectError(error, path); }));
  ScopedFd fd(socket(AF_UNIX, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (!fd.valid()) return ErrnoStatus(errno, "socket");
  if (connect(fd.get(), reinterpret_cast<const sockaddr*>(&reached.address),
              sizeof(reached.address)) != 0) {
    return ConnectError(errno, path);
  }
  return fd;
}

bool MayConnectLater(const absl::Status& error) {
  return absl::IsNotFound(error) || absl::IsFailedPrecondition(error) || absl::IsUnavailable(error);
}

}  // namespace touchstone
