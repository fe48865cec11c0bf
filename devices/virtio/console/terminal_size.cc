#include "devices/virtio/console/terminal_size.h"

#include <errno.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <atomic>
#include <iterator>
#include <utility>

#include "base/status.h"

namespace touchstone {
namespace {

// Descriptors that the handler signals. Made with the first watch that needs them and never closed,
// since a handler may be about to write to them at any moment.
struct Slot {
  std::atomic<int> event{-1};
  std::atomic<bool> used{false};
};
Slot g_slots[TerminalSize::kMaxWatches];

// Async-signal-safe.
void OnWindowChange(int) {
  const int error = errno;
  for (const Slot& slot : g_slots) {
    const int event = slot.event.load(std::memory_order_relaxed);  // a number, nothing behind it
    const uint64_t one = 1;
    if (event >= 0) static_cast<void>(!write(event, &one, sizeof(one)));
  }
  errno = error;
}

void InstallHandler() {
  struct sigaction action = {};
  if (sigaction(SIGWINCH, nullptr, &action) != 0) return;
  if (action.sa_handler != SIG_DFL && action.sa_handler != SIG_IGN) return;
  action = {};
  action.sa_handler = OnWindowChange;
  action.sa_flags = SA_RESTART;
  sigemptyset(&action.sa_mask);
  sigaction(SIGWINCH, &action, nullptr);
}

// The index of a slot with a descriptor, now used.
absl::StatusOr<int> ClaimSlot() {
  for (size_t i = 0; i < std::size(g_slots); ++i) {
    Slot& slot = g_slots[i];
    if (slot.used.exchange(true, std::memory_order_acquire)) continue;  // after its last user
    if (slot.event.load(std::memory_order_relaxed) < 0) {               // only its user sets it
      const int event = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
      if (event < 0) {
        slot.used.store(false, std::memory_order_release);  // the next user comes after us
        return ErrnoStatus(errno, "eventfd for SIGWINCH");
      }
      slot.event.store(event, std::memory_order_relaxed);  // a number, nothing behind it
    }
    return static_cast<int>(i);
  }
  return absl::ResourceExhaustedError("too many terminals whose size is watched");
}

absl::StatusOr<TerminalSize::Size> SizeOf(int fd) {
  winsize size = {};
  if (ioctl(fd, TIOCGWINSZ, &size) != 0) return ErrnoStatus(errno, "size of the terminal");
  return TerminalSize::Size{.cols = size.ws_col, .rows = size.ws_row};
}

}  // namespace

absl::StatusOr<std::unique_ptr<TerminalSize>> TerminalSize::Watch(EventLoop& loop, int fd,
                                                                  Callback callback) {
  RETURN_IF_ERROR(SizeOf(fd).status());
  ASSIGN_OR_RETURN(const int slot, ClaimSlot());
  static const bool installed = [] {
    InstallHandler();
    return true;
  }();
  static_cast<void>(installed);
  std::unique_ptr<TerminalSize> self(new TerminalSize(fd, slot, std::move(callback)));
  self->Changed();
  self->watch_ = loop.OnReadable(g_slots[slot].event.load(std::memory_order_relaxed),  // ours
                                 [raw = self.get()] { raw->Changed(); });
  return self;
}

TerminalSize::TerminalSize(int fd, int slot, Callback callback)
    : fd_(fd), slot_(slot), callback_(std::move(callback)) {}

TerminalSize::~TerminalSize() {
  watch_.Reset();
  g_slots[slot_].used.store(false, std::memory_order_release);  // the next user comes after us
}

void TerminalSize::Changed() {
  uint64_t count;
  static_cast<void>(
      !read(g_slots[slot_].event.load(std::memory_order_relaxed), &count, sizeof(count)));  // ours
  if (const absl::StatusOr<Size> size = SizeOf(fd_); size.ok()) callback_(*size);
}

}  // namespace touchstone
