#include "vmm/cli/text_file.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "absl/strings/str_cat.h"
#include "base/scoped_fd.h"
#include "base/status.h"

namespace touchstone {
namespace {

absl::Status Failed(absl::string_view call, const std::string& path) {
  return ErrnoStatus(errno, absl::StrCat(call, " ", path));
}

}  // namespace

absl::StatusOr<std::string> ReadTextFile(const std::string& path) {
  const ScopedFd fd(open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!fd.valid()) return Failed("open", path);
  std::string text;
  char buffer[16384];
  while (true) {
    const ssize_t size = read(fd.get(), buffer, sizeof(buffer));
    if (size < 0 && errno == EINTR) continue;
    if (size < 0) return Failed("read", path);
    if (size == 0) return text;
    text.append(buffer, static_cast<size_t>(size));
    if (text.size() > kMaxTextFile) {
      return absl::InvalidArgumentError(
          absl::StrCat(path, " is larger than ", kMaxTextFile >> 20, " MiB"));
    }
  }
}

absl::Status WriteTextFile(const std::string& path, absl::string_view text) {
  const ScopedFd fd(open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666));
  if (!fd.valid()) return Failed("open", path);
  while (!text.empty()) {
    const ssize_t size = write(fd.get(), text.data(), text.size());
    if (size < 0 && errno == EINTR) continue;
    if (size < 0) return Failed("write", path);
    text.remove_prefix(static_cast<size_t>(size));
  }
  return absl::OkStatus();
}

}  // namespace touchstone
