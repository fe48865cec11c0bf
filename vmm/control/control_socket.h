// Where a machine's control socket is.

#ifndef TOUCHSTONE_VMM_CONTROL_CONTROL_SOCKET_H_
#define TOUCHSTONE_VMM_CONTROL_CONTROL_SOCKET_H_

#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "base/unix_listener.h"

namespace touchstone {

// Where `touchstone list` looks: /run/touchstone for root; for others touchstone in
// $XDG_RUNTIME_DIR, which is /run/user/UID where it is not set.
std::string DefaultSocketFolder();

// Listens at `path` (SOCK_SEQPACKET). A directory gets a file touchstone-PID.sock (crosvm.md 1.3);
// the default one is made when it is not there. Errors name the path.
absl::StatusOr<UnixListener> ListenForControl(absl::string_view path);

}  // namespace touchstone

#endif  // TOUCHSTONE_VMM_CONTROL_CONTROL_SOCKET_H_
