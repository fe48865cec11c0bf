// The event loop that devices are given. Devices own no threads: they ask to be called, and a test
// turns the loop by hand.
//
//   watch_ = loop.OnReadable(fd, [this] { Drain(); });      // until watch_ is destroyed
//   timer_ = loop.After(absl::Seconds(1), [this] { Expire(); });
//   loop.Post([this] { OnLoopThread(); });                  // from any thread
//
// Callbacks run on the loop's thread, one at a time. A callback may destroy any watch, its own
// included. Once a watch is destroyed *on the loop's thread* (or while the loop does not run) its
// callback never runs again; destroying one on another thread while the loop runs waits for a
// callback of that watch that is running.
//
// EpollLoop is the real one (epoll_loop.h), ManualLoop the one for tests and fuzzers
// (manual_loop.h).

#ifndef TOUCHSTONE_BASE_EVENT_EVENT_LOOP_H_
#define TOUCHSTONE_BASE_EVENT_EVENT_LOOP_H_

#include <functional>
#include <memory>
#include <utility>

#include "absl/functional/any_invocable.h"
#include "absl/time/time.h"

namespace touchstone {

// A registration with a loop; destroying or resetting it ends the registration. Must not outlive
// the loop.
class Watch {
 public:
  // What a loop implements: its destructor deregisters.
  class Registration {
   public:
    virtual ~Registration() = default;
  };

  Watch() = default;
  explicit Watch(std::unique_ptr<Registration> registration)
      : registration_(std::move(registration)) {}

  void Reset() { registration_.reset(); }
  [[nodiscard]] bool active() const { return registration_ != nullptr; }

 private:
  std::unique_ptr<Registration> registration_;
};

// Thread-safe: every method may be called from any thread.
class EventLoop {
 public:
  using Callback = absl::AnyInvocable<void()>;

  virtual ~EventLoop() = default;

  // Calls `callback` whenever `fd` is readable, has hung up or failed (level-triggered), until the
  // watch is destroyed. `fd` is borrowed and must stay open that long. At most one watch of each
  // direction for a descriptor: Reset() the old one before asking for another. The callback must
  // cope with a descriptor that is no longer ready (non-blocking calls).
  [[nodiscard]] virtual Watch OnReadable(int fd, Callback callback) = 0;
  // The same for writability.
  [[nodiscard]] virtual Watch OnWritable(int fd, Callback callback) = 0;
  // Calls `callback` once, `delay` from now or later.
  [[nodiscard]] virtual Watch After(absl::Duration delay, Callback callback) = 0;
  // Calls `callback` once, soon. Posted callbacks run in the order they were posted.
  virtual void Post(Callback callback) = 0;
};

}  // namespace touchstone

#endif  // TOUCHSTONE_BASE_EVENT_EVENT_LOOP_H_
