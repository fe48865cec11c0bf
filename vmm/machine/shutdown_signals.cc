#include "vmm/machine/shutdown_signals.h"

#include <errno.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <utility>

#include "base/status.h"

namespace touchstone {

absl::StatusOr<std::unique_ptr<ShutdownSignals>> ShutdownSignals::Create(
    EventLoop& loop, absl::AnyInvocable<void(int)> on_signal) {
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGINT);
  sigaddset(&signals, SIGTERM);
  ScopedFd fd(signalfd(-1, &signals, SFD_NONBLOCK | SFD_CLOEXEC));
  if (!fd.valid()) return ErrnoStatus(errno, "signalfd");
  sigset_t old_mask;
  if (const int error = pthread_sigmask(SIG_BLOCK, &signals, &old_mask); error != 0) {
    return ErrnoStatus(error, "block SIGINT and SIGTERM");
  }
  std::unique_ptr<ShutdownSignals> self(new ShutdownSignals(std::move(fd), old_mask));
  self->on_signal_ = std::move(on_signal);
  self->watch_ = loop.OnReadable(self->fd_.get(), [raw = self.get()] { raw->Read(); });
  return self;
}

ShutdownSignals::~ShutdownSignals() {
  watch_.Reset();
  pthread_sigmask(SIG_SETMASK, &old_mask_, nullptr);
}

void ShutdownSignals::Read() {
  signalfd_siginfo signal;
  while (read(fd_.get(), &signal, sizeof(signal)) == sizeof(signal)) {
    on_signal_(static_cast<int>(signal.ssi_signo));
  }
}

}  // namespace touchstone
