// A child process in its jail, as its parent holds it: it lives no longer than this.
//
// Nothing that the child says is trusted. What its death was is asked of the kernel; the name of
// the system call that it died for comes from the child, and is used in a message only.
//
// Thread-compatible.

#ifndef TOUCHSTONE_VMM_JAIL_JAILED_PROCESS_H_
#define TOUCHSTONE_VMM_JAIL_JAILED_PROCESS_H_

#include <cstdint>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "base/fd_socket.h"
#include "base/scoped_fd.h"
#include "vmm/jail/child_end.h"
#include "vmm/jail/jail_report.h"

namespace touchstone {

class JailedProcess {
 public:
  // `pidfd` of a child of this process that nobody else waits for, and the parent's end of its
  // report socket (SOCK_SEQPACKET).
  JailedProcess(std::string name, ScopedFd pidfd, ScopedFd reports);
  // A child of another process, which tells how it ended at `keeper`, and kills it when something
  // comes from there (spawn_server.h).
  JailedProcess(std::string name, FdSocket keeper, ScopedFd reports);
  JailedProcess(JailedProcess&& other) noexcept;
  JailedProcess& operator=(JailedProcess&&) = delete;
  // Kills it if it lives, and waits until it is gone.
  ~JailedProcess();

  [[nodiscard]] const std::string& name() const { return name_; }

  // Waits until the child is confined. Errors name the step that failed and what can be done, or
  // how the child died; DeadlineExceeded.
  absl::Status AwaitConfined(absl::Duration timeout);

  // The same until it is confined and says that it does its work.
  absl::Status AwaitServing(absl::Duration timeout);

  // Readable when AwaitServing has something to say at once; until it said so.
  [[nodiscard]] int reports() const { return reports_.get(); }

  // A descriptor that is readable once the child has ended.
  [[nodiscard]] int ended_fd() const { return keeper_.valid() ? keeper_.fd() : pidfd_.get(); }

  // Waits for its end, and says what it was: Ok for exit status 0; PermissionDenied when a
  // forbidden system call killed it, which the message names; Aborted for other signals and
  // statuses. Further calls return the same.
  absl::Status AwaitEnd();

  // Harmless when it is dead.
  void Kill();

 private:
  absl::StatusOr<ChildEnd> Wait() const;
  absl::Status Await(JailReport::Kind kind, absl::Duration timeout);

  std::string name_;
  // Either of them.
  ScopedFd pidfd_;
  FdSocket keeper_{ScopedFd()};
  ScopedFd reports_;
  std::optional<int32_t> violation_;  // The system call that it was killed for, as it says.
  bool ended_ = false;
  absl::Status end_;
};

}  // namespace touchstone

#endif  // TOUCHSTONE_VMM_JAIL_JAILED_PROCESS_H_
