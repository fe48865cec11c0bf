// Where a machine's control socket is.

#ifndef TOUCHSTONE_VMM_CONTROL_CONTROL_SOCKET_H_
#define TOUCHSTONE_VMM_CONTROL_CONTROL_SOCKET_H_

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "base/unix_listener.h"

namespace touchstone {

// Listens at `path` (SOCK_SEQPACKET). A directory gets a file touchstone-PID.sock (crosvm.md 1.3).
// Errors name the path.
absl::StatusOr<UnixListener> ListenForControl(absl::string_view path);

}  // namespace touchstone

#endif  // TOUCHSTONE_VMM_CONTROL_CONTROL_SOCKET_H_
