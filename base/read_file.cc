#include "base/read_file.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "base/scoped_fd.h"
#include "base/status.h"

namespace touchstone {
namespace {

// For files that do not tell their size, such as pipes and those of /proc.
constexpr uint64_t kFirstPiece = 4096;

}  // namespace

absl::StatusOr<std::vector<uint8_t>> ReadFile(absl::string_view path, uint64_t limit) {
  ASSIGN_OR_RETURN(const ScopedFd fd, OpenFile(path, O_RDONLY));
  struct stat status = {};
  if (fstat(fd.get(), &status) != 0) return ErrnoStatus(errno, absl::StrCat("stat of ", path));
  const uint64_t told = status.st_size > 0 ? static_cast<uint64_t>(status.st_size) : kFirstPiece;
  std::vector<uint8_t> bytes(std::min(told, limit) + 1);
  size_t size = 0;
  for (;;) {
    const ssize_t count = read(fd.get(), bytes.data() + size, bytes.size() - size);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return ErrnoStatus(errno, absl::StrCat("read of ", path));
    if (count == 0) break;
    size += static_cast<size_t>(count);
    if (size > limit) {
      return absl::ResourceExhaustedError(
          absl::StrCat(path, " has more than ", limit, " bytes, the most that is accepted"));
    }
    if (size == bytes.size()) bytes.resize(std::min<uint64_t>(2 * uint64_t{size}, limit + 1));
  }
  bytes.resize(size);
  return bytes;
}

}  // namespace touchstone
