// The event loop of tests and fuzzers: nothing happens until the test turns it, and time is a
// FakeClock.
//
//   ManualLoop loop;
//   Uart uart(loop, ...);
//   loop.RunReady();                       // what is ready now, and what follows from it
//   loop.Advance(absl::Milliseconds(10));  // timers fire in order, each at its own time
//
// Thread-safe, but only one thread at a time turns it, and never from a callback.

#ifndef TOUCHSTONE_BASE_EVENT_MANUAL_LOOP_H_
#define TOUCHSTONE_BASE_EVENT_MANUAL_LOOP_H_

#include <poll.h>

#include <cstdint>

#include "absl/base/thread_annotations.h"
#include "absl/container/inlined_vector.h"
#include "absl/time/time.h"
#include "base/clock.h"
#include "base/event/callback_loop.h"

namespace touchstone {

class ManualLoop final : public CallbackLoop {
 public:
  // A turn ends after about this many callbacks, so that one that is always ready (a descriptor
  // nobody drains, a timer that sets itself anew with no delay) does not hang the test.
  static constexpr int kMaxCallbacks = 10000;

  ManualLoop() = default;
  ~ManualLoop() override;

  // Moves when Advance is called; a test may move it too, and then call RunReady.
  FakeClock& clock() { return clock_; }

  // Runs the callbacks of ready descriptors, due timers and posted ones until nothing is left.
  // Returns how many ran.
  int RunReady() ABSL_LOCKS_EXCLUDED(mutex_);

  // Moves the clock by `step`, stopping at each deadline on the way to run what is ready then.
  // Returns how many callbacks ran.
  int Advance(absl::Duration step) ABSL_LOCKS_EXCLUDED(mutex_);

 private:
  absl::Duration Monotonic() override { return clock_.Monotonic(); }
  // Nobody waits in the kernel, so there is nobody to tell.
  void UpdateInterest(int fd, uint32_t generation, uint32_t before, uint32_t after) override
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void DeadlineMovedUp() override ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {}
  void Wake() override ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {}

  int RunDescriptors() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // RunReady for what is left of `budget`.
  int RunReady(int budget) ABSL_LOCKS_EXCLUDED(mutex_);

  // What the last turn polled; kept for its memory.
  absl::InlinedVector<pollfd, 8> polled_ ABSL_GUARDED_BY(mutex_);
  absl::InlinedVector<uint32_t, 8> generations_ ABSL_GUARDED_BY(mutex_);
  FakeClock clock_;
};

}  // namespace touchstone

#endif  // TOUCHSTONE_BASE_EVENT_MANUAL_LOOP_H_
