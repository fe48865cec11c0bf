#include "base/clock.h"

#include <time.h>

namespace touchstone {
namespace {

timespec Read(clockid_t id) {
  timespec now;
  clock_gettime(id, &now);
  return now;
}

class HostClock final : public Clock {
 public:
  absl::Time Now() override { return absl::TimeFromTimespec(Read(CLOCK_REALTIME)); }
  absl::Duration Monotonic() override { return absl::DurationFromTimespec(Read(CLOCK_MONOTONIC)); }
};

}  // namespace

Clock& SystemClock() {
  static Clock& clock = *new HostClock;
  return clock;
}

absl::Time FakeClock::Now() {
  MutexLock lock(mutex_);
  return now_;
}

absl::Duration FakeClock::Monotonic() {
  MutexLock lock(mutex_);
  return monotonic_;
}

void FakeClock::Advance(absl::Duration step) {
  MutexLock lock(mutex_);
  now_ += step;
  monotonic_ += step;
}

void FakeClock::SetNow(absl::Time now) {
  MutexLock lock(mutex_);
  now_ = now;
}

}  // namespace touchstone
