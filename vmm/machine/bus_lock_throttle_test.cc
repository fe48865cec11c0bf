#include "vmm/machine/bus_lock_throttle.h"

#include "gtest/gtest.h"

namespace touchstone {
namespace {

constexpr absl::Duration kNow = absl::Seconds(100);

// Locks as fast as the vCPU can, each of which takes `step`, for 10 s; how many those are.
int LocksInTenSeconds(uint64_t limit, absl::Duration step) {
  BusLockThrottle throttle(limit);
  int locks = 0;
  for (absl::Duration now = kNow; now < kNow + absl::Seconds(10); now += step) {
    now += throttle.OnLock(now);
    ++locks;
  }
  return locks;
}

TEST(BusLockThrottleTest, TheLastLockOfASliceSleepsToItsEnd) {
  BusLockThrottle throttle(3);

  EXPECT_EQ(throttle.OnLock(kNow), absl::ZeroDuration());
  EXPECT_EQ(throttle.OnLock(kNow + absl::Milliseconds(1)), absl::ZeroDuration());
  EXPECT_EQ(throttle.OnLock(kNow + absl::Milliseconds(200)), absl::Milliseconds(800));
  EXPECT_EQ(throttle.OnLock(kNow + absl::Seconds(1)), absl::ZeroDuration());
}

TEST(BusLockThrottleTest, AVcpuThatDoesNotSleepLongEnoughSleepsAgain) {
  BusLockThrottle throttle(1);

  EXPECT_EQ(throttle.OnLock(kNow), absl::Seconds(1));
  EXPECT_EQ(throttle.OnLock(kNow + absl::Milliseconds(999)), absl::Milliseconds(1));
}

TEST(BusLockThrottleTest, FewLocksAreNotHeldUp) {
  EXPECT_EQ(LocksInTenSeconds(5, absl::Milliseconds(300)), 34);
}

TEST(BusLockThrottleTest, ManyLocksAreAsManyAsAllowed) {
  EXPECT_NEAR(LocksInTenSeconds(1, absl::Microseconds(10)), 10, 1);
  EXPECT_NEAR(LocksInTenSeconds(100, absl::Microseconds(10)), 1000, 100);
}

TEST(BusLockThrottleTest, WithoutALimitNothingIsHeldUp) {
  EXPECT_EQ(LocksInTenSeconds(0, absl::Milliseconds(1)), 10000);
}

}  // namespace
}  // namespace touchstone
