// Raw mode for the terminal that a guest console uses, undone however the process ends.
//
//   ASSIGN_OR_RETURN(RawTerminal raw, RawTerminal::Enter(STDIN_FILENO));
//
// The original mode comes back when the guard is destroyed, at exit(3), and on the signals that end
// a process: SIGHUP, SIGINT, SIGQUIT, SIGTERM where nobody handles or ignores them, and SIGABRT,
// SIGBUS, SIGFPE, SIGILL, SIGSEGV, SIGSYS in any case. After that the signal takes the course it
// had before: its former handler, or the default action, so that the exit status and core dump are
// the usual ones. Only SIGKILL leaves the terminal raw.
//
// The handlers stay for the life of the process; they use tcsetattr, rt_sigprocmask, rt_sigaction
// and tgkill, which a seccomp filter has to allow.
//
// Thread-safe, but whoever destroys a guard must own it alone.

#ifndef TOUCHSTONE_BASE_TERMINAL_H_
#define TOUCHSTONE_BASE_TERMINAL_H_

#include <utility>

#include "absl/status/statusor.h"

namespace touchstone {

class RawTerminal {
 public:
  // Terminals that can be raw at the same time.
  static constexpr int kMaxTerminals = 8;

  enum class SignalKeys {
    kToGuest,  // Ctrl-C and its like are bytes for the guest
    kToUs,     // they send signals as usual
  };

  // Puts the terminal `fd` (borrowed; it may be closed later) into raw mode: no echo, no line
  // editing, no flow control, Enter is a carriage return; output is processed as before, so that
  // log lines stay lines. Does nothing for what is no terminal. ResourceExhausted when
  // kMaxTerminals are raw.
  static absl::StatusOr<RawTerminal> Enter(int fd, SignalKeys signal_keys = SignalKeys::kToGuest);

  RawTerminal(RawTerminal&& other) noexcept : slot_(std::exchange(other.slot_, kNone)) {}
  RawTerminal& operator=(RawTerminal&& other) noexcept {
    std::swap(slot_, other.slot_);
    return *this;
  }
  ~RawTerminal();

  // False when there was no terminal to make raw.
  [[nodiscard]] bool active() const { return slot_ != kNone; }

 private:
  static constexpr int kNone = -1;

  explicit RawTerminal(int slot) : slot_(slot) {}

  int slot_;
};

}  // namespace touchstone

#endif  // TOUCHSTONE_BASE_TERMINAL_H_
