// The addresses of Unix sockets, and connecting to one that may not be there yet.

#ifndef TOUCHSTONE_BASE_UNIX_SOCKET_H_
#define TOUCHSTONE_BASE_UNIX_SOCKET_H_

#include <sys/un.h>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "base/scoped_fd.h"

namespace touchstone {

// InvalidArgument, which names the path, when it is empty, too long or has a byte of 0.
absl::StatusOr<sockaddr_un> UnixAddress(absl::string_view path);

// How to reach a path, which may be too long for an address: then through a descriptor of its
// directory.
struct UnixPath {
  sockaddr_un address;
  ScopedFd directory;  // Keeps the address true.
};

// `failed` says what it means that the directory cannot be opened; otherwise as UnixAddress.
absl::StatusOr<UnixPath> ReachUnixPath(absl::string_view path,
                                       absl::FunctionRef<absl::Status(int error)> failed);

// A non-blocking socket of `type` (SOCK_STREAM, SOCK_DGRAM, SOCK_SEQPACKET) connected to `path`,
// which may be too long for an address, without waiting.
//
// Errors name the path. NotFound: there is no such file. FailedPrecondition: nobody listens there.
// Unavailable: who listens has too many connections waiting. The others will not go away.
absl::StatusOr<ScopedFd> ConnectUnix(absl::string_view path, int type);

// Whether an error of ConnectUnix may go away by itself.
bool MayConnectLater(const absl::Status& error);

}  // namespace touchstone

#endif  // TOUCHSTONE_BASE_UNIX_SOCKET_H_
