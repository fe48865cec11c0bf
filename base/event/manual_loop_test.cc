// What only ManualLoop does: its clock and its bounds.

#include "base/event/manual_loop.h"

#include <thread>
#include <vector>

#include "absl/time/time.h"
#include "base/event_fd.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace touchstone {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

TEST(ManualLoopTest, NothingRunsUntilItIsTurned) {
  ManualLoop loop;
  int calls = 0;

  loop.Post([&calls] { ++calls; });

  EXPECT_EQ(calls, 0);
  EXPECT_EQ(loop.RunReady(), 1);
  EXPECT_EQ(calls, 1);
}

TEST(ManualLoopTest, TimersFireAtTheirOwnTime) {
  ManualLoop loop;
  std::vector<absl::Duration> fired;
  const auto note = [&] { fired.push_back(loop.clock().Monotonic()); };
  Watch second = loop.After(absl::Seconds(2), note);
  Watch first = loop.After(absl::Seconds(1), note);
  Watch later = loop.After(absl::Seconds(4), note);

  EXPECT_EQ(loop.Advance(absl::Seconds(3)), 2);

  EXPECT_THAT(fired, ElementsAre(absl::Seconds(1), absl::Seconds(2)));
  EXPECT_EQ(loop.clock().Monotonic(), absl::Seconds(3));
}

TEST(ManualLoopTest, TimersSetOnTheWayFireOnTheWay) {
  ManualLoop loop;
  std::vector<absl::Duration> fired;
  Watch timer;
  struct Tick {
    ManualLoop& loop;
    std::vector<absl::Duration>& fired;
    Watch& timer;
    void operator()() {
      fired.push_back(loop.clock().Monotonic());
      timer = loop.After(absl::Seconds(1), Tick{loop, fired, timer});
    }
  };
  timer = loop.After(absl::Seconds(1), Tick{loop, fired, timer});

  loop.Advance(absl::Milliseconds(3500));

  EXPECT_THAT(fired, ElementsAre(absl::Seconds(1), absl::Seconds(2), absl::Seconds(3)));
}

TEST(ManualLoopTest, WhatATimerCausesHappensAtItsTime) {
  ManualLoop loop;
  EventFd event = EventFd::Create().value();
  absl::Duration seen;
  Watch watch = loop.OnReadable(event.fd(), [&] {
    event.Drain();
    seen = loop.clock().Monotonic();
  });
  Watch timer = loop.After(absl::Seconds(1), [&event] { event.Signal(); });

  loop.Advance(absl::Seconds(10));

  EXPECT_EQ(seen, absl::Seconds(1));
}

TEST(ManualLoopTest, AdvanceMovesTheWallClockToo) {
  ManualLoop loop;
  const absl::Time before = loop.clock().Now();

  loop.Advance(absl::Seconds(5));

  EXPECT_EQ(loop.clock().Now() - before, absl::Seconds(5));
}

TEST(ManualLoopTest, TimerThatIsDueByTheClockAloneRunsWhenTurned) {
  ManualLoop loop;
  std::vector<int> fired;
  Watch timer = loop.After(absl::Seconds(1), [&fired] { fired.push_back(1); });

  loop.clock().Advance(absl::Seconds(1));
  EXPECT_THAT(fired, IsEmpty());
  loop.RunReady();

  EXPECT_THAT(fired, ElementsAre(1));
}

TEST(ManualLoopTest, DescriptorNobodyDrainsDoesNotHang) {
  ManualLoop loop;
  EventFd event = EventFd::Create().value();
  event.Signal();
  Watch watch = loop.OnReadable(event.fd(), [] {});

  EXPECT_EQ(loop.RunReady(), ManualLoop::kMaxCallbacks);
}

TEST(ManualLoopTest, TimerWithoutDelayThatRepeatsDoesNotHang) {
  ManualLoop loop;
  Watch timer;
  struct Repeat {
    ManualLoop& loop;
    Watch& timer;
    void operator()() { timer = loop.After(absl::ZeroDuration(), Repeat{loop, timer}); }
  };
  timer = loop.After(absl::ZeroDuration(), Repeat{loop, timer});

  EXPECT_EQ(loop.Advance(absl::Seconds(1)), ManualLoop::kMaxCallbacks);

  EXPECT_EQ(loop.clock().Monotonic(), absl::Seconds(1));
}

TEST(ManualLoopTest, OtherThreadsMayRegister) {
  ManualLoop loop;
  EventFd event = EventFd::Create().value();
  event.Signal();
  int calls = 0;
  Watch watch;
  std::thread other([&] {
    watch = loop.OnReadable(event.fd(), [&] {
      event.Drain();
      ++calls;
    });
    loop.Post([&calls] { ++calls; });
  });
  other.join();

  EXPECT_EQ(loop.RunReady(), 2);

  EXPECT_EQ(calls, 2);
}

}  // namespace
}  // namespace touchstone
