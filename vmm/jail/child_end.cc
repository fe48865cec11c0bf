#include "vmm/jail/child_end.h"

#include <errno.h>
#include <sys/wait.h>

#include "base/status.h"

namespace touchstone {

absl::StatusOr<ChildEnd> WaitForChild(int pidfd) {
  siginfo_t info = {};
  while (waitid(static_cast<idtype_t>(P_PIDFD), static_cast<id_t>(pidfd), &info, WEXITED) != 0) {
    if (errno != EINTR) return ErrnoStatus(errno, "waitid");
  }
  return ChildEnd{
      .kind = info.si_code == CLD_EXITED ? ChildEnd::Kind::kExited : ChildEnd::Kind::kKilled,
      .value = info.si_status};
}

}  // namespace touchstone
