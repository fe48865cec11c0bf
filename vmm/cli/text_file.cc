#include "vmm/cli/text_file.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include <cstdint>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/read_file.h"
#include "base/scoped_fd.h"
#include "base/status.h"

namespace touchstone {
namespace {

absl::Status Failed(absl::string_view call, const std::string& path) {
  return ErrnoStatus(errno, absl::StrCat(call, " ", path));
}

}  // namespace

absl::StatusOr<std::string> ReadTextFile(const std::string& path) {
  ASSIGN_OR_RETURN(const std::vector<uint8_t> bytes, ReadFile(path, kMaxTextFile));
  return std::string(bytes.begin(), bytes.end());
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
