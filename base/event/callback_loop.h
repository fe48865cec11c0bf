// What EpollLoop and ManualLoop share: the tables of watches, timers and posted callbacks, and the
// protocol for destroying a watch while its callback runs. They differ in how they learn that a
// descriptor is ready and what time it is.
//
// Callbacks run without the lock. The one that runs is noted in running_; destroying its watch on
// another thread waits until it is done. A callback and what it captured are destroyed without the
// lock too, since they may own watches.
//
// Thread-safe, but only one thread at a time runs callbacks.

#ifndef TOUCHSTONE_BASE_EVENT_CALLBACK_LOOP_H_
#define TOUCHSTONE_BASE_EVENT_CALLBACK_LOOP_H_

#include <poll.h>

#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <thread>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/time/time.h"
#include "base/event/event_loop.h"
#include "base/mutex.h"

namespace touchstone {

class CallbackLoop : public EventLoop {
 public:
  Watch OnReadable(int fd, Callback callback) final;
  Watch OnWritable(int fd, Callback callback) final;
  Watch After(absl::Duration delay, Callback callback) final;
  void Post(Callback callback) final;

 protected:
  // Event bits are those of poll(2), which are those of epoll(7).
  static constexpr uint32_t kReadable = POLLIN;
  static constexpr uint32_t kWritable = POLLOUT;

  struct Handler {
    Callback callback;
  };

  struct Descriptor {
    // Tells this registration from an earlier one of the same number.
    uint32_t generation = 0;
    std::shared_ptr<Handler> readable;
    std::shared_ptr<Handler> writable;

    [[nodiscard]] uint32_t interest() const {
      return (readable != nullptr ? kReadable : 0) | (writable != nullptr ? kWritable : 0);
    }
  };

  // Deadlines on Monotonic(); those of equal time in the order they were made.
  using TimerKey = std::pair<absl::Duration, uint64_t>;

  // Drops the posted callbacks that did not run. The last thing that a loop's destructor calls
  // while its hooks still work. CHECKs that no watch outlives the loop.
  void Shutdown() ABSL_LOCKS_EXCLUDED(mutex_);

  // Each runs what is due and returns how many callbacks ran. They release the lock around each
  // callback. What callbacks add is left for the next turn, so that nobody starves the others.
  int RunDescriptor(int fd, uint32_t generation, uint32_t events)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  int RunTimers(absl::Duration now) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  int RunPosted() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  // InfiniteDuration when there is none.
  absl::Duration NextDeadline() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // True on the thread that is inside a callback of this loop.
  bool InCallback() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  // Hooks.
  virtual absl::Duration Monotonic() = 0;
  // The wanted events of `fd` changed; 0 means none (any more).
  virtual void UpdateInterest(int fd, uint32_t generation, uint32_t before, uint32_t after)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) = 0;
  // NextDeadline() became earlier.
  virtual void DeadlineMovedUp() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) = 0;
  // There is a first posted callback.
  virtual void Wake() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) = 0;

  // Called between callbacks: true ends the turn.
  virtual bool Interrupted() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) { return false; }

  Mutex mutex_;
  std::map<int, Descriptor> descriptors_ ABSL_GUARDED_BY(mutex_);
  std::deque<Callback> posted_ ABSL_GUARDED_BY(mutex_);

 private:
  class DescriptorRegistration;
  class TimerRegistration;

  Watch AddDescriptor(int fd, std::shared_ptr<Handler> Descriptor::* slot, Callback callback);
  void RemoveDescriptor(int fd, std::shared_ptr<Handler> Descriptor::* slot,
                        const Handler& handler);
  void RemoveTimer(TimerKey key, const Handler& handler);
  void WaitUntilDone(const Handler& handler) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  // Runs and then destroys `callback` without the lock. `identity` is what WaitUntilDone compares.
  template <typename Run>
  void RunUnlocked(const void* identity, Run callback) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  std::map<TimerKey, std::shared_ptr<Handler>> timers_ ABSL_GUARDED_BY(mutex_);
  uint64_t next_timer_ ABSL_GUARDED_BY(mutex_) = 0;
  uint32_t next_generation_ ABSL_GUARDED_BY(mutex_) = 0;
  int registrations_ ABSL_GUARDED_BY(mutex_) = 0;

  const void* running_ ABSL_GUARDED_BY(mutex_) = nullptr;
  std::thread::id running_thread_ ABSL_GUARDED_BY(mutex_);
  int waiters_ ABSL_GUARDED_BY(mutex_) = 0;
  CondVar done_;
};

}  // namespace touchstone

#endif  // TOUCHSTONE_BASE_EVENT_CALLBACK_LOOP_H_
