#include "base/clock.h"

#include <thread>

#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "gtest/gtest.h"

namespace touchstone {
namespace {

TEST(SystemClockTest, MonotonicNeverGoesBack) {
  const absl::Duration before = SystemClock().Monotonic();
  absl::SleepFor(absl::Milliseconds(2));
  const absl::Duration after = SystemClock().Monotonic();

  EXPECT_GE(after - before, absl::Milliseconds(2));
}

TEST(SystemClockTest, NowIsTheWallClock) {
  const absl::Time before = absl::Now();
  const absl::Time now = SystemClock().Now();
  const absl::Time after = absl::Now();

  // The kernel's clock and Abseil's estimate of it may be a little apart.
  EXPECT_GE(now, before - absl::Seconds(1));
  EXPECT_LE(now, after + absl::Seconds(1));
}

TEST(FakeClockTest, StandsStillAtItsStart) {
  FakeClock clock;

  EXPECT_EQ(absl::FormatTime(clock.Now(), absl::UTCTimeZone()), "2000-01-01T00:00:00+00:00");
  EXPECT_EQ(clock.Monotonic(), absl::ZeroDuration());
}

TEST(FakeClockTest, AdvanceMovesBothClocks) {
  FakeClock clock;
  const absl::Time start = clock.Now();

  clock.Advance(absl::Seconds(2));
  clock.Advance(absl::Nanoseconds(1));

  EXPECT_EQ(clock.Monotonic(), absl::Seconds(2) + absl::Nanoseconds(1));
  EXPECT_EQ(clock.Now() - start, clock.Monotonic());
}

TEST(FakeClockTest, SetNowMovesTheWallClockAlone) {
  FakeClock clock;
  clock.Advance(absl::Seconds(1));

  clock.SetNow(absl::FromUnixSeconds(7));

  EXPECT_EQ(clock.Now(), absl::FromUnixSeconds(7));
  EXPECT_EQ(clock.Monotonic(), absl::Seconds(1));
}

TEST(FakeClockTest, MayBeReadWhileItIsMoved) {
  FakeClock clock;
  std::thread mover([&clock] {
    for (int i = 0; i < 100; ++i) clock.Advance(absl::Milliseconds(1));
  });

  absl::Duration last;
  while (last < absl::Milliseconds(100)) last = clock.Monotonic();
  mover.join();

  EXPECT_EQ(last, absl::Milliseconds(100));
}

}  // namespace
}  // namespace touchstone
