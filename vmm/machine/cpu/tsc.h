// How fast the time stamp counter of this host counts.

#ifndef TOUCHSTONE_VMM_MACHINE_CPU_TSC_H_
#define TOUCHSTONE_VMM_MACHINE_CPU_TSC_H_

#include <cstdint>

#include "absl/time/time.h"

namespace touchstone {

// In kHz, measured against the host's clock for `duration`, during which the caller sleeps. The
// error is below 1 in 10000 from some 20 ms on. Thread-safe.
uint32_t MeasureTscKhz(absl::Duration duration);

}  // namespace touchstone

#endif  // TOUCHSTONE_VMM_MACHINE_CPU_TSC_H_
