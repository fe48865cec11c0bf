// Time as devices see it: injected, so that tests and fuzzers turn it by hand.

#ifndef TOUCHSTONE_BASE_CLOCK_H_
#define TOUCHSTONE_BASE_CLOCK_H_

#include "absl/base/thread_annotations.h"
#include "absl/time/time.h"
#include "base/mutex.h"

namespace touchstone {

// Thread-safe.
class Clock {
 public:
  virtual ~Clock() = default;
  // The host's wall clock; may jump.
  virtual absl::Time Now() = 0;
  // Time since some fixed moment; never goes back. For timeouts and timers.
  virtual absl::Duration Monotonic() = 0;
};

// The host's clocks. Never destroyed.
Clock& SystemClock();

// A clock that moves when told to. Starts at 2000-01-01T00:00:00Z and 0.
class FakeClock final : public Clock {
 public:
  absl::Time Now() override;
  absl::Duration Monotonic() override;

  // Moves both clocks. REQUIRES: `step` is not negative.
  void Advance(absl::Duration step);
  // Moves the wall clock alone, as an administrator would.
  void SetNow(absl::Time now);

 private:
  Mutex mutex_;
  absl::Time now_ ABSL_GUARDED_BY(mutex_) = absl::FromUnixSeconds(946684800);
  absl::Duration monotonic_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace touchstone

#endif  // TOUCHSTONE_BASE_CLOCK_H_
