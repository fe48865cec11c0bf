#include "vmm/machine/shutdown_signals.h"

#include <vector>

#include "base/event/manual_loop.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace touchstone {
namespace {

using ::testing::ElementsAre;
using ::testing::UnorderedElementsAre;

bool IsBlocked(int signal) {
  sigset_t mask;
  pthread_sigmask(SIG_BLOCK, nullptr, &mask);
  return sigismember(&mask, signal) == 1;
}

TEST(ShutdownSignalsTest, DeliversThemThroughTheLoop) {
  ManualLoop loop;
  std::vector<int> seen;
  auto signals = ShutdownSignals::Create(loop, [&seen](int signal) { seen.push_back(signal); });
  ASSERT_TRUE(signals.ok()) << signals.status();

  raise(SIGTERM);
  EXPECT_THAT(seen, ElementsAre());
  loop.RunReady();

  EXPECT_THAT(seen, ElementsAre(SIGTERM));
}

TEST(ShutdownSignalsTest, TakesBothKinds) {
  ManualLoop loop;
  std::vector<int> seen;
  auto signals = ShutdownSignals::Create(loop, [&seen](int signal) { seen.push_back(signal); });
  ASSERT_TRUE(signals.ok()) << signals.status();

  raise(SIGINT);
  raise(SIGTERM);
  loop.RunReady();

  EXPECT_THAT(seen, UnorderedElementsAre(SIGINT, SIGTERM));
}

TEST(ShutdownSignalsTest, RestoresTheMask) {
  ManualLoop loop;
  {
    auto signals = ShutdownSignals::Create(loop, [](int) {});
    ASSERT_TRUE(signals.ok()) << signals.status();
    EXPECT_TRUE(IsBlocked(SIGINT));
  }

  EXPECT_FALSE(IsBlocked(SIGINT));
  EXPECT_FALSE(IsBlocked(SIGTERM));
}

}  // namespace
}  // namespace touchstone
