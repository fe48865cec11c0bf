// The listening end of a control socket: a file that only its owner may connect to, and that goes
// when the machine does.

#ifndef TOUCHSTONE_VMM_CONTROL_CONTROL_SOCKET_H_
#define TOUCHSTONE_VMM_CONTROL_CONTROL_SOCKET_H_

#include <sys/types.h>

#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "base/scoped_fd.h"

namespace touchstone {

// Thread-compatible.
class ControlSocket {
 public:
  // Listens at `path`, in mode 0600, without blocking (SOCK_SEQPACKET). A directory gets a file
  // touchstone-PID.sock. Anything else that is there, a socket that nobody listens on among it, is
  // AlreadyExists (crosvm.md 1.3). Errors name the path.
  static absl::StatusOr<ControlSocket> Listen(absl::string_view path);

  ControlSocket(ControlSocket&& other) noexcept;
  ControlSocket& operator=(ControlSocket&& other) = delete;
  // Removes the file, unless another has taken its place.
  ~ControlSocket();

  [[nodiscard]] int fd() const { return fd_.get(); }
  // Where it listens.
  [[nodiscard]] const std::string& path() const { return path_; }

 private:
  ControlSocket(ScopedFd fd, std::string path);

  ScopedFd fd_;
  std::string path_;
  // Which file it is.
  dev_t device_ = 0;
  ino_t inode_ = 0;
};

}  // namespace touchstone

#endif  // TOUCHSTONE_VMM_CONTROL_CONTROL_SOCKET_H_
