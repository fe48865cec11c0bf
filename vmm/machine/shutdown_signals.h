// SIGINT and SIGTERM as an orderly end: taken as events by the loop, so that outputs are flushed
// and the terminal is restored.

#ifndef TOUCHSTONE_VMM_MACHINE_SHUTDOWN_SIGNALS_H_
#define TOUCHSTONE_VMM_MACHINE_SHUTDOWN_SIGNALS_H_

#include <signal.h>

#include <memory>
#include <utility>

#include "absl/functional/any_invocable.h"
#include "absl/status/statusor.h"
#include "base/event/event_loop.h"
#include "base/scoped_fd.h"

namespace touchstone {

// Thread-compatible. One at a time in a process.
class ShutdownSignals {
 public:
  // Blocks the signals in the calling thread and the threads it starts from now on, and calls
  // `on_signal` with the number of each that arrives. REQUIRES: no other thread runs that has them
  // unblocked.
  static absl::StatusOr<std::unique_ptr<ShutdownSignals>> Create(
      EventLoop& loop, absl::AnyInvocable<void(int)> on_signal);
  // Restores the signal mask.
  ~ShutdownSignals();

 private:
  ShutdownSignals(ScopedFd fd, const sigset_t& old_mask)
      : fd_(std::move(fd)), old_mask_(old_mask) {}
  void Read();

  ScopedFd fd_;
  sigset_t old_mask_;
  absl::AnyInvocable<void(int)> on_signal_;
  Watch watch_;
};

}  // namespace touchstone

#endif  // TOUCHSTONE_VMM_MACHINE_SHUTDOWN_SIGNALS_H_
