#include "devices/platform/serial/nonblocking.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include <string>

#include "absl/strings/str_cat.h"

namespace touchstone {

absl::StatusOr<ScopedFd> NonBlocking(const ScopedFd& fd, int access) {
  struct stat status;
  if (fstat(fd.get(), &status) == 0 && (S_ISFIFO(status.st_mode) || isatty(fd.get()) != 0)) {
    const std::string path = absl::StrCat("/proc/self/fd/", fd.get());
    ScopedFd opened(open(path.c_str(), access | O_NONBLOCK | O_NOCTTY | O_CLOEXEC));
    if (opened.valid()) return opened;
  }
  return fd.Duplicate();
}

void IgnoreBrokenPipes() {
  struct sigaction action = {};
  if (sigaction(SIGPIPE, nullptr, &action) != 0 || action.sa_handler != SIG_DFL) return;
  action.sa_handler = SIG_IGN;
  sigaction(SIGPIPE, &action, nullptr);
}

}  // namespace touchstone
