// How long a vCPU sleeps that takes bus locks faster than --bus-lock-ratelimit allows (crosvm.md
// 9.5).
//
// Time goes in slices of a second, the first of which begins with a lock. After the last lock that
// is allowed in a slice the vCPU sleeps to the slice's end.
//
// Thread-compatible: each vCPU's thread has its own.

#ifndef TOUCHSTONE_VMM_MACHINE_BUS_LOCK_THROTTLE_H_
#define TOUCHSTONE_VMM_MACHINE_BUS_LOCK_THROTTLE_H_

#include <cstdint>

#include "absl/time/time.h"

namespace touchstone {

class BusLockThrottle {
 public:
  static constexpr absl::Duration kSlice = absl::Seconds(1);

  // 0 allows any number.
  explicit BusLockThrottle(uint64_t locks_per_second) : limit_(locks_per_second) {}

  // There was a lock at `now`, a time that never goes back: for how long to sleep.
  absl::Duration OnLock(absl::Duration now);

 private:
  const uint64_t limit_;
  absl::Duration slice_end_ = -absl::InfiniteDuration();
  uint64_t locks_ = 0;  // Those of the slice.
};

}  // namespace touchstone

#endif  // TOUCHSTONE_VMM_MACHINE_BUS_LOCK_THROTTLE_H_
