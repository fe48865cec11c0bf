#include "vmm/machine/bus_lock_throttle.h"

namespace touchstone {

absl::Duration BusLockThrottle::OnLock(absl::Duration now) {
  if (limit_ == 0) return absl::ZeroDuration();
  if (now >= slice_end_) {
    slice_end_ = now + kSlice;
    locks_ = 0;
  }
  ++locks_;
  return locks_ < limit_ ? absl::ZeroDuration() : slice_end_ - now;
}

}  // namespace touchstone
