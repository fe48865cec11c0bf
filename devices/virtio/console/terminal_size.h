// The size of a host terminal, and word of its changes (SIGWINCH).
//
// The process handles the signal from the first watch on, unless it did already: then changes are
// not noticed. Threads: thread-compatible; the signal may arrive on any thread.

#ifndef TOUCHSTONE_DEVICES_VIRTIO_CONSOLE_TERMINAL_SIZE_H_
#define TOUCHSTONE_DEVICES_VIRTIO_CONSOLE_TERMINAL_SIZE_H_

#include <cstdint>
#include <memory>

#include "absl/functional/any_invocable.h"
#include "absl/status/statusor.h"
#include "base/event/event_loop.h"

namespace touchstone {

class TerminalSize {
 public:
  struct Size {
    uint16_t cols = 0;
    uint16_t rows = 0;
    friend bool operator==(const Size&, const Size&) = default;
  };
  using Callback = absl::AnyInvocable<void(Size)>;

  // Watches at the same time, in a process.
  static constexpr int kMaxWatches = 8;

  // Calls `callback` now with the size of the terminal `fd` (borrowed), and on the loop's thread
  // after each change. ResourceExhausted beyond kMaxWatches; the errno when it is no terminal.
  static absl::StatusOr<std::unique_ptr<TerminalSize>> Watch(EventLoop& loop, int fd,
                                                             Callback callback);
  // On the loop's thread or while it does not run.
  ~TerminalSize();
  TerminalSize(const TerminalSize&) = delete;
  TerminalSize& operator=(const TerminalSize&) = delete;

 private:
  TerminalSize(int fd, int slot, Callback callback);
  void Changed();

  const int fd_;
  const int slot_;
  Callback callback_;
  touchstone::Watch watch_;
};

}  // namespace touchstone

#endif  // TOUCHSTONE_DEVICES_VIRTIO_CONSOLE_TERMINAL_SIZE_H_
