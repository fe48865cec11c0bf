#include "vmm/machine/cpu/tsc.h"

#include <time.h>
#include <x86intrin.h>

#include <algorithm>
#include <cmath>

#include "absl/time/clock.h"

namespace touchstone {
namespace {

struct Sample {
  uint64_t tsc = 0;
  int64_t nanoseconds = 0;
};

// Not slewed, as the counter is not.
int64_t Now() {
  timespec now = {};
  clock_gettime(CLOCK_MONOTONIC_RAW, &now);
  return int64_t{now.tv_sec} * 1'000'000'000 + now.tv_nsec;
}

// Both at the same time: of several attempts the one that was interrupted least.
Sample Take() {
  constexpr int kAttempts = 16;
  Sample best;
  uint64_t best_window = UINT64_MAX;
  for (int i = 0; i < kAttempts; ++i) {
    const uint64_t before = __rdtsc();
    const int64_t now = Now();
    const uint64_t window = __rdtsc() - before;
    if (window >= best_window) continue;
    best_window = window;
    best = {before + window / 2, now};
  }
  return best;
}

}  // namespace

uint32_t MeasureTscKhz(absl::Duration duration) {
  const Sample start = Take();
  absl::SleepFor(duration);
  const Sample end = Take();
  const auto ticks = static_cast<double>(end.tsc - start.tsc);
  const auto nanoseconds =
      static_cast<double>(std::max<int64_t>(end.nanoseconds - start.nanoseconds, 1));
  const double khz = std::round(ticks * 1e6 / nanoseconds);
  return static_cast<uint32_t>(std::clamp(khz, 0.0, static_cast<double>(UINT32_MAX)));
}

}  // namespace touchstone
