#include "vmm/control/control_socket.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <string>

#include "absl/strings/str_cat.h"
#include "base/status.h"

namespace touchstone {
namespace {

bool IsDirectory(const std::string& path) {
  struct stat status = {};
  return stat(path.c_str(), &status) == 0 && S_ISDIR(status.st_mode);
}

}  // namespace

std::string DefaultSocketFolder() {
  if (getuid() == 0) return "/run/touchstone";
  const char* const folder = getenv("XDG_RUNTIME_DIR");
  if (folder != nullptr && folder[0] == '/') return absl::StrCat(folder, "/touchstone");
  return absl::StrCat("/run/user/", getuid(), "/touchstone");
}

absl::StatusOr<UnixListener> ListenForControl(absl::string_view given) {
  std::string path(given);
  if (path == DefaultSocketFolder() && mkdir(path.c_str(), 0700) != 0 && errno != EEXIST) {
    return ErrnoStatus(errno, path);
  }
  if (IsDirectory(path)) absl::StrAppend(&path, "/touchstone-", getpid(), ".sock");
  return UnixListener::Listen(path, SOCK_SEQPACKET);
}

}  // namespace touchstone
