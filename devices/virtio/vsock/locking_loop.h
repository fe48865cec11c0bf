// An EventLoop whose callbacks run with a lock held, so that what works on the loop needs none of
// its own although other threads reset it.
//
// Whoever holds the lock on another thread than the loop's must not destroy a watch: that waits for
// its callback, and the callback for the lock. Thread-safe; borrows both.

#ifndef TOUCHSTONE_DEVICES_VIRTIO_VSOCK_LOCKING_LOOP_H_
#define TOUCHSTONE_DEVICES_VIRTIO_VSOCK_LOCKING_LOOP_H_

#include <utility>

#include "absl/time/time.h"
#include "base/event/event_loop.h"
#include "base/mutex.h"

namespace touchstone {

class LockingLoop final : public EventLoop {
 public:
  LockingLoop(EventLoop& loop, Mutex& mutex) : loop_(loop), mutex_(mutex) {}

  [[nodiscard]] Watch OnReadable(int fd, Callback callback) override {
    return loop_.OnReadable(fd, Locked(std::move(callback)));
  }
  [[nodiscard]] Watch OnWritable(int fd, Callback callback) override {
    return loop_.OnWritable(fd, Locked(std::move(callback)));
  }
  [[nodiscard]] Watch After(absl::Duration delay, Callback callback) override {
    return loop_.After(delay, Locked(std::move(callback)));
  }
  void Post(Callback callback) override { loop_.Post(Locked(std::move(callback))); }

 private:
  Callback Locked(Callback callback) {
    return [&mutex = mutex_, callback = std::move(callback)]() mutable {
      MutexLock lock(mutex);
      callback();
    };
  }

  EventLoop& loop_;
  Mutex& mutex_;
};

}  // namespace touchstone

#endif  // TOUCHSTONE_DEVICES_VIRTIO_VSOCK_LOCKING_LOOP_H_
