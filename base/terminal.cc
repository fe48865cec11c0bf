#include "base/terminal.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <termios.h>
#include <unistd.h>

#include <atomic>
#include <cstdlib>
#include <iterator>

#include "base/scoped_fd.h"
#include "base/status.h"

namespace touchstone {
namespace {

// Signals that end a process because of a fault in it: always ours first.
constexpr int kFaults[] = {SIGABRT, SIGBUS, SIGFPE, SIGILL, SIGSEGV, SIGSYS};
// Signals by which others end a process: ours unless the program has its own idea of them.
constexpr int kRequests[] = {SIGHUP, SIGINT, SIGQUIT, SIGTERM};

constexpr int kFree = -1;
constexpr int kClaimed = -2;

// Read by signal handlers: `original` does not change while `fd` is a descriptor.
struct Slot {
  std::atomic<int> fd{kFree};
  termios original{};
};
Slot g_slots[RawTerminal::kMaxTerminals];

// What a signal did before; written once, before the handler is installed.
struct sigaction g_previous[NSIG];

// Async-signal-safe.
void SetMode(int fd, const termios& mode) {
  // A process in the background may not change the mode, unless it blocks SIGTTOU.
  sigset_t ttou;
  sigset_t before;
  sigemptyset(&ttou);
  sigaddset(&ttou, SIGTTOU);
  pthread_sigmask(SIG_BLOCK, &ttou, &before);
  tcsetattr(fd, TCSANOW, &mode);
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
}

// Async-signal-safe.
void RestoreAll() {
  for (Slot& slot : g_slots) {
    const int fd = slot.fd.load(std::memory_order_acquire);  // the mode was stored before
    if (fd >= 0) SetMode(fd, slot.original);
  }
}

void OnFatalSignal(int number, siginfo_t* info, void*) {
  const int error = errno;
  RestoreAll();
  sigaction(number, &g_previous[number], nullptr);
  // A fault happens again when this returns, with its own address and registers. Anything else is
  // sent again, and arrives when this returns and the signal is no longer blocked.
  const bool happens_again =
      info->si_code > 0 && number != SIGABRT && number != SIGSYS && info->si_code != SI_KERNEL;
  if (!happens_again) raise(number);
  errno = error;
}

void InstallHandler(int number) {
  struct sigaction action{};
  action.sa_sigaction = OnFatalSignal;
  action.sa_flags = SA_SIGINFO | SA_ONSTACK;
  sigemptyset(&action.sa_mask);
  sigaction(number, &action, nullptr);
}

void InstallHandlers() {
  for (const int number : kFaults) {
    sigaction(number, nullptr, &g_previous[number]);
    InstallHandler(number);
  }
  for (const int number : kRequests) {
    sigaction(number, nullptr, &g_previous[number]);
    if (g_previous[number].sa_handler == SIG_DFL) InstallHandler(number);
  }
  std::atexit(RestoreAll);
}

// The index of a free slot, now claimed, or -1.
int ClaimSlot() {
  for (size_t i = 0; i < std::size(g_slots); ++i) {
    int expected = kFree;
    if (g_slots[i].fd.compare_exchange_strong(expected, kClaimed, std::memory_order_acquire)) {
      return static_cast<int>(i);
    }
  }
  return -1;
}

}  // namespace

absl::StatusOr<RawTerminal> RawTerminal::Enter(int fd, SignalKeys signal_keys) {
  termios mode;
  if (tcgetattr(fd, &mode) != 0) return RawTerminal(kNone);
  static const bool installed = [] {
    InstallHandlers();
    return true;
  }();
  static_cast<void>(installed);

  ScopedFd own(fcntl(fd, F_DUPFD_CLOEXEC, 0));
  if (!own.valid()) return ErrnoStatus(errno, "duplicate terminal descriptor");
  const int index = ClaimSlot();
  if (index < 0) return absl::ResourceExhaustedError("too many terminals in raw mode");
  Slot& slot = g_slots[index];
  slot.original = mode;
  const int kept = own.Release();
  slot.fd.store(kept, std::memory_order_release);  // handlers see the mode with it

  const tcflag_t output = mode.c_oflag;
  const tcflag_t signals = mode.c_lflag & ISIG;
  cfmakeraw(&mode);
  mode.c_oflag = output;
  if (signal_keys == SignalKeys::kToUs) mode.c_lflag |= signals;
  SetMode(kept, mode);
  return RawTerminal(index);
}

RawTerminal::~RawTerminal() {
  if (slot_ == kNone) return;
  Slot& slot = g_slots[slot_];
  const int fd = slot.fd.load(std::memory_order_relaxed);  // stored by Enter, which we own
  SetMode(fd, slot.original);
  slot.fd.store(kFree, std::memory_order_release);  // whoever claims it sees our last read
  close(fd);
}

}  // namespace touchstone
