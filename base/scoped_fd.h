// Ownership of a file descriptor.
//
// Thread-compatible. -1 means none.

#ifndef TOUCHSTONE_BASE_SCOPED_FD_H_
#define TOUCHSTONE_BASE_SCOPED_FD_H_

#include <string>
#include <utility>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace touchstone {

class ScopedFd {
 public:
  ScopedFd() = default;
  // Takes ownership of `fd`.
  explicit ScopedFd(int fd) : fd_(fd) {}
  ScopedFd(ScopedFd&& other) noexcept : fd_(other.Release()) {}
  ScopedFd& operator=(ScopedFd&& other) noexcept {
    Reset(other.Release());
    return *this;
  }
  ~ScopedFd() { Reset(); }

  [[nodiscard]] int get() const { return fd_; }
  [[nodiscard]] bool valid() const { return fd_ >= 0; }

  // Gives the descriptor to the caller, who closes it.
  [[nodiscard]] int Release() { return std::exchange(fd_, -1); }

  // Closes what it holds and takes ownership of `fd`.
  void Reset(int fd = -1);

  // A second descriptor for the same open file, close-on-exec.
  [[nodiscard]] absl::StatusOr<ScopedFd> Duplicate() const;

 private:
  int fd_ = -1;
};

// open(2) with O_CLOEXEC added. The path "/proc/self/fd/N" means the inherited descriptor N and
// duplicates it instead of opening the file anew, so that flags, offset and sealed permissions are
// those of the descriptor. A file provider (file_provider.h) comes first. Errors name the path.
absl::StatusOr<ScopedFd> OpenFile(absl::string_view path, int flags, int mode = 0600);

}  // namespace touchstone

#endif  // TOUCHSTONE_BASE_SCOPED_FD_H_
