// The event loop of production: epoll(7), a timerfd for timers and an eventfd to wake it.
//
//   ASSIGN_OR_RETURN(std::unique_ptr<EpollLoop> loop, EpollLoop::Create());
//   ...
//   loop->Run();  // until Stop(), which any thread or callback may call
//
// Descriptors that epoll refuses because they never block (files, /dev/null) count as always
// ready, as they do for poll(2).
//
// Thread-safe, but only one thread at a time is inside Run or RunOnce, and never from a callback.
// System calls while running: epoll_wait, epoll_ctl, timerfd_settime, futex, read and write.

#ifndef TOUCHSTONE_BASE_EVENT_EPOLL_LOOP_H_
#define TOUCHSTONE_BASE_EVENT_EPOLL_LOOP_H_

#include <cstdint>
#include <map>
#include <memory>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "base/event/callback_loop.h"
#include "base/event_fd.h"
#include "base/scoped_fd.h"

namespace touchstone {

class EpollLoop final : public CallbackLoop {
 public:
  static absl::StatusOr<std::unique_ptr<EpollLoop>> Create();
  ~EpollLoop() override;

  // Runs callbacks until Stop() is called, or returns at once when it was called since the last
  // Run() returned.
  void Run() ABSL_LOCKS_EXCLUDED(mutex_);
  // Makes Run() return as soon as the callback that is running is done.
  void Stop() ABSL_LOCKS_EXCLUDED(mutex_);

  // One turn: waits until something is ready, at most `timeout`, and runs what is. Returns how many
  // callbacks ran; 0 after the timeout, a signal or a spurious wakeup. After Stop() it runs nothing
  // until Run() has returned.
  int RunOnce(absl::Duration timeout) ABSL_LOCKS_EXCLUDED(mutex_);

 private:
  EpollLoop(ScopedFd epoll, ScopedFd timer, EventFd wake);

  absl::Duration Monotonic() override;
  void UpdateInterest(int fd, uint32_t generation, uint32_t before, uint32_t after) override
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void DeadlineMovedUp() override ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void Wake() override ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  bool Interrupted() const override ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) { return stopped_; }

  // Sees to it that the timerfd expires no later than the next deadline.
  void ArmTimer() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  int RunAlwaysReady() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  const ScopedFd epoll_;
  const ScopedFd timer_;
  const EventFd wake_;

  bool stopped_ ABSL_GUARDED_BY(mutex_) = false;
  // When the timerfd expires; infinite when it is not armed.
  absl::Duration armed_ ABSL_GUARDED_BY(mutex_) = absl::InfiniteDuration();
  // Wanted events of the descriptors that epoll refused, by number and generation.
  std::map<std::pair<int, uint32_t>, uint32_t> always_ready_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace touchstone

#endif  // TOUCHSTONE_BASE_EVENT_EPOLL_LOOP_H_
