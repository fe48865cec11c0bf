#include "vmm/machine/lifecycle.h"

#include <atomic>
#include <optional>
#include <thread>
#include <utility>
#include <vector>

#include "gtest/gtest.h"

namespace touchstone {
namespace {

TEST(LifecycleTest, TheFirstReasonCounts) {
  int calls = 0;
  Lifecycle lifecycle([&calls] { ++calls; });

  lifecycle.End(EndOfRun::kReset);
  lifecycle.End(EndOfRun::kPowerOff);

  EXPECT_EQ(lifecycle.end(), EndOfRun::kReset);
  EXPECT_EQ(calls, 1);
}

TEST(LifecycleTest, HasNoReasonBeforeTheEnd) {
  Lifecycle lifecycle([] {});

  EXPECT_EQ(lifecycle.end(), std::nullopt);
}

class PanicTest : public testing::TestWithParam<std::pair<EndOfRun, EndOfRun>> {};

TEST_P(PanicTest, ReplacesTheReasonOfTheGuestButNotOfTheHost) {
  Lifecycle lifecycle([] {});

  lifecycle.NotePanic();
  lifecycle.End(GetParam().first);

  EXPECT_EQ(lifecycle.end(), GetParam().second);
}

INSTANTIATE_TEST_SUITE_P(Reasons, PanicTest,
                         testing::Values(std::pair(EndOfRun::kReset, EndOfRun::kPanic),
                                         std::pair(EndOfRun::kPowerOff, EndOfRun::kPanic),
                                         std::pair(EndOfRun::kTripleFault, EndOfRun::kPanic),
                                         std::pair(EndOfRun::kCrash, EndOfRun::kPanic),
                                         std::pair(EndOfRun::kStopped, EndOfRun::kStopped)));

TEST(LifecycleTest, APanicAloneEndsNothing) {
  int calls = 0;
  Lifecycle lifecycle([&calls] { ++calls; });

  lifecycle.NotePanic();

  EXPECT_EQ(lifecycle.end(), std::nullopt);
  EXPECT_EQ(calls, 0);
}

TEST(LifecycleTest, ManyThreadsEndItOnce) {
  std::atomic<int> calls = 0;
  Lifecycle lifecycle([&calls] { ++calls; });
  std::vector<std::thread> threads;

  for (int i = 0; i < 8; ++i)
    threads.emplace_back([&lifecycle] { lifecycle.End(EndOfRun::kCrash); });
  for (std::thread& thread : threads) thread.join();

  EXPECT_EQ(calls, 1);
}

TEST(LifecycleTest, TheFirstFailureIsKept) {
  int ends = 0;
  Lifecycle lifecycle([&ends] { ++ends; });
  EXPECT_EQ(lifecycle.failure(), absl::OkStatus());
  lifecycle.Fail(absl::AbortedError("first"));
  lifecycle.Fail(absl::AbortedError("second"));

  EXPECT_EQ(lifecycle.failure(), absl::AbortedError("first"));
  EXPECT_EQ(lifecycle.end(), EndOfRun::kCrash);
  EXPECT_EQ(ends, 1);
}

}  // namespace
}  // namespace touchstone
