#include "hypervisor/kvm/kick_signal.h"

#include <pthread.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>

#include "base/log.h"
#include "base/status.h"

namespace touchstone {
namespace {

void IgnoreKick(int) {}

pid_t RegisterThread() {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, KickSignal());
  CHECK(pthread_sigmask(SIG_UNBLOCK, &set, nullptr) == 0);
  return static_cast<pid_t>(syscall(SYS_gettid));
}

}  // namespace

int KickSignal() { return SIGRTMIN; }

absl::Status InstallKickSignal() {
  struct sigaction action = {};
  action.sa_handler = IgnoreKick;
  sigemptyset(&action.sa_mask);
  // Not SA_RESTART: KVM_RUN has to return.
  action.sa_flags = 0;
  if (sigaction(KickSignal(), &action, nullptr) != 0) return ErrnoStatus(errno, "sigaction");
  return absl::OkStatus();
}

pid_t KickableThread() {
  static thread_local const pid_t thread = RegisterThread();
  return thread;
}

void SendKickSignal(pid_t thread) {
  const int saved = errno;
  syscall(SYS_tgkill, getpid(), thread, KickSignal());
  errno = saved;
}

}  // namespace touchstone
