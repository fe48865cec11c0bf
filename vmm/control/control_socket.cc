#include "vmm/control/control_socket.h"

#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <string>

#include "absl/strings/str_cat.h"

namespace touchstone {
namespace {

bool IsDirectory(const std::string& path) {
  struct stat status = {};
  return stat(path.c_str(), &status) == 0 && S_ISDIR(status.st_mode);
}

}  // namespace

absl::StatusOr<UnixListener> ListenForControl(absl::string_view given) {
  std::string path(given);
  if (IsDirectory(path)) absl::StrAppend(&path, "/touchstone-", getpid(), ".sock");
  return UnixListener::Listen(path, SOCK_SEQPACKET);
}

}  // namespace touchstone
