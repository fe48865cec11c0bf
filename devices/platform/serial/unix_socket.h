// Connecting to a Unix socket that may not be there yet.

#ifndef TOUCHSTONE_DEVICES_PLATFORM_SERIAL_UNIX_SOCKET_H_
#define TOUCHSTONE_DEVICES_PLATFORM_SERIAL_UNIX_SOCKET_H_

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "base/scoped_fd.h"

namespace touchstone {

// A non-blocking socket of `type` (SOCK_STREAM, SOCK_DGRAM) connected to `path`. A path too long
// for a socket address is reached through a descriptor of its directory (crosvm.md 1.4).
// Unavailable when nobody listens there now, which may change; other errors will not. Errors name
// the path.
absl::StatusOr<ScopedFd> ConnectUnix(absl::string_view path, int type);

}  // namespace touchstone

#endif  // TOUCHSTONE_DEVICES_PLATFORM_SERIAL_UNIX_SOCKET_H_
