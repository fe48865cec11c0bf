#include "base/scoped_fd.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include <cstdint>

#include "absl/status/status.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "base/file_provider.h"
#include "base/status.h"

namespace touchstone {
namespace {

FileProvider* g_provider = nullptr;

}  // namespace

void SetFileProvider(FileProvider* provider) { g_provider = provider; }
FileProvider* GetFileProvider() { return g_provider; }

void ScopedFd::Reset(int fd) {
  if (fd_ >= 0) close(fd_);
  fd_ = fd;
}

absl::StatusOr<ScopedFd> ScopedFd::Duplicate() const {
  ScopedFd copy(fcntl(fd_, F_DUPFD_CLOEXEC, 0));
  if (!copy.valid()) return ErrnoStatus(errno, absl::StrCat("duplicate descriptor ", fd_));
  return copy;
}

absl::StatusOr<ScopedFd> OpenFile(absl::string_view path, int flags, int mode) {
  if (FileProvider* const provider = GetFileProvider(); provider != nullptr) {
    absl::StatusOr<ScopedFd> provided = provider->Open(path, flags);
    if (!absl::IsNotFound(provided.status())) return provided;
  }
  absl::string_view number = path;
  int inherited;
  if (absl::ConsumePrefix(&number, "/proc/self/fd/") && absl::SimpleAtoi(number, &inherited) &&
      inherited >= 0) {
    ScopedFd copy(fcntl(inherited, F_DUPFD_CLOEXEC, 0));
    if (!copy.valid()) return ErrnoStatus(errno, absl::StrCat("inherited descriptor ", path));
    return copy;
  }
  ScopedFd fd(open(std::string(path).c_str(), flags | O_CLOEXEC, mode));
  if (!fd.valid()) return ErrnoStatus(errno, absl::StrCat("open ", path));
  return fd;
}

}  // namespace touchstone
