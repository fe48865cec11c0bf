// A Unix socket that listens: a file that only its owner may connect to, and that goes with it.

#ifndef TOUCHSTONE_BASE_UNIX_LISTENER_H_
#define TOUCHSTONE_BASE_UNIX_LISTENER_H_

#include <sys/types.h>

#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "base/scoped_fd.h"

namespace touchstone {

// Thread-compatible.
class UnixListener {
 public:
  // Listens at `path`, which may be too long for an address, in mode 0600, without blocking. `type`
  // is SOCK_STREAM or SOCK_SEQPACKET. What is there already, a socket that nobody listens on among
  // it, is AlreadyExists. Errors name the path.
  static absl::StatusOr<UnixListener> Listen(absl::string_view path, int type);

  UnixListener(UnixListener&& other) noexcept;
  UnixListener& operator=(UnixListener&& other) = delete;
  // Removes the file, unless another has taken its place.
  ~UnixListener();

  [[nodiscard]] int fd() const { return fd_.get(); }
  // Where it listens.
  [[nodiscard]] const std::string& path() const { return path_; }

 private:
  UnixListener(ScopedFd fd, std::string path);

  ScopedFd fd_;
  std::string path_;
  // Which file it is.
  dev_t device_ = 0;
  ino_t inode_ = 0;
};

}  // namespace touchstone

#endif  // TOUCHSTONE_BASE_UNIX_LISTENER_H_
