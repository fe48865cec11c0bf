// A child process in its jail, as its parent holds it: it lives no longer than this.
//
// Nothing that the child says is trusted. What its death was is asked of the kernel; the name of
// the system call that it died for comes from the child, and is used in a message only.
//
// Thread-compatible.

#ifndef TOUCHSTONE_VMM_JAIL_JAILED_PROCESS_H_
#define TOUCHSTONE_VMM_JAIL_JAILED_PROCESS_H_

#include <sys/types.h>

#include <string>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "base/scoped_fd.h"

namespace touchstone {

class JailedProcess {
 public:
  // `pidfd` of the child `pid` that nobody else waits for, and the parent's end of its report
  // socket (SOCK_SEQPACKET).
  JailedProcess(std::string name, pid_t pid, ScopedFd pidfd, ScopedFd reports);
  JailedProcess(JailedProcess&& other) noexcept;
  JailedProcess& operator=(JailedProcess&&) = delete;
  // Kills it if it lives, and waits until it is gone.
  ~JailedProcess();

  [[nodiscard]] const std::string& name() const { return name_; }
  [[nodiscard]] pid_t pid() const { return pid_; }

  // Waits until the child is confined. Errors name the step that failed and what can be done, or
  // how the child died; DeadlineExceeded.
  absl::Status AwaitConfined(absl::Duration timeout);

  // Readable once the child has ended.
  [[nodiscard]] int pidfd() const { return pidfd_.get(); }

  // Waits for its end, and says what it was: Ok for exit status 0; PermissionDenied when a
  // forbidden system call killed it, which the message names; Aborted for other signals and
  // statuses. Further calls return the same.
  absl::Status AwaitEnd();

  // Harmless when it is dead.
  void Kill();

 private:
  std::string name_;
  pid_t pid_;
  ScopedFd pidfd_;
  ScopedFd reports_;
  bool ended_ = false;
  absl::Status end_;
};

}  // namespace touchstone

#endif  // TOUCHSTONE_VMM_JAIL_JAILED_PROCESS_H_
