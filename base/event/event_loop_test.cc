// What EpollLoop and ManualLoop promise alike.

#include "base/event/event_loop.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/time/time.h"
#include "base/clock.h"
#include "base/event/epoll_loop.h"
#include "base/event/manual_loop.h"
#include "base/event_fd.h"
#include "base/scoped_fd.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace touchstone {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

// A loop and the two ways to turn it.
class LoopDriver {
 public:
  virtual ~LoopDriver() = default;
  virtual EventLoop& loop() = 0;
  // Runs what is ready and what follows from it; returns how many callbacks ran.
  virtual int RunReady() = 0;
  // Lets `time` pass.
  virtual void Pass(absl::Duration time) = 0;
};

class EpollDriver final : public LoopDriver {
 public:
  EventLoop& loop() override { return *loop_; }
  int RunReady() override {
    int total = 0;
    while (const int ran = loop_->RunOnce(absl::ZeroDuration())) total += ran;
    return total;
  }
  void Pass(absl::Duration time) override {
    const absl::Duration end = SystemClock().Monotonic() + time;
    for (absl::Duration now; (now = SystemClock().Monotonic()) < end;) loop_->RunOnce(end - now);
    RunReady();
  }

 private:
  std::unique_ptr<EpollLoop> loop_ = EpollLoop::Create().value();
};

class ManualDriver final : public LoopDriver {
 public:
  EventLoop& loop() override { return loop_; }
  int RunReady() override { return loop_.RunReady(); }
  void Pass(absl::Duration time) override { loop_.Advance(time); }

 private:
  ManualLoop loop_;
};

struct LoopKind {
  const char* name;
  std::unique_ptr<LoopDriver> (*make)();
};

template <typename Driver>
std::unique_ptr<LoopDriver> Make() {
  return std::make_unique<Driver>();
}

class EventLoopTest : public testing::TestWithParam<LoopKind> {
 protected:
  std::unique_ptr<LoopDriver> driver_ = GetParam().make();
  EventLoop& loop_ = driver_->loop();
  EventFd event_ = EventFd::Create().value();
  std::vector<std::string> calls_;

  // A callback that notes `name`.
  EventLoop::Callback Note(std::string name) {
    return [this, name = std::move(name)] { calls_.push_back(name); };
  }
};

INSTANTIATE_TEST_SUITE_P(Loops, EventLoopTest,
                         testing::Values(LoopKind{"Epoll", Make<EpollDriver>},
                                         LoopKind{"Manual", Make<ManualDriver>}),
                         [](const testing::TestParamInfo<LoopKind>& info) {
                           return std::string(info.param.name);
                         });

TEST_P(EventLoopTest, NothingToDo) { EXPECT_EQ(driver_->RunReady(), 0); }

TEST_P(EventLoopTest, ReadableRunsWhileThereIsSomethingToRead) {
  int calls = 0;
  Watch watch = loop_.OnReadable(event_.fd(), [&] {
    if (++calls == 3) event_.Drain();
  });

  EXPECT_EQ(driver_->RunReady(), 0);
  event_.Signal();
  EXPECT_EQ(driver_->RunReady(), 3);

  EXPECT_EQ(calls, 3);
  EXPECT_TRUE(watch.active());
}

TEST_P(EventLoopTest, WritableRunsWhileThereIsRoom) {
  int calls = 0;
  Watch watch = loop_.OnWritable(event_.fd(), [&] {
    if (++calls == 2) watch.Reset();
  });

  driver_->RunReady();

  EXPECT_EQ(calls, 2);
}

TEST_P(EventLoopTest, BothDirectionsOfOneDescriptor) {
  event_.Signal();
  Watch readable;
  Watch writable;
  readable = loop_.OnReadable(event_.fd(), [&] {
    calls_.push_back("read");
    readable.Reset();
  });
  writable = loop_.OnWritable(event_.fd(), [&] {
    calls_.push_back("write");
    writable.Reset();
  });

  driver_->RunReady();

  EXPECT_THAT(calls_, ElementsAre("read", "write"));
}

TEST_P(EventLoopTest, OneDirectionSurvivesTheOther) {
  event_.Signal();
  Watch writable = loop_.OnWritable(event_.fd(), Note("write"));
  Watch readable = loop_.OnReadable(event_.fd(), [&] {
    calls_.push_back("read");
    event_.Drain();
  });

  writable.Reset();
  driver_->RunReady();

  EXPECT_THAT(calls_, ElementsAre("read"));
}

TEST_P(EventLoopTest, HangUpIsReadable) {
  int ends[2];
  ASSERT_EQ(pipe2(ends, O_CLOEXEC), 0);
  ScopedFd reader(ends[0]);
  ScopedFd writer(ends[1]);
  Watch watch;
  watch = loop_.OnReadable(reader.get(), [&] {
    calls_.push_back("hang-up");
    watch.Reset();
  });

  driver_->RunReady();
  EXPECT_THAT(calls_, IsEmpty());
  writer.Reset();
  driver_->RunReady();

  EXPECT_THAT(calls_, ElementsAre("hang-up"));
}

TEST_P(EventLoopTest, FilesAreAlwaysReady) {
  ScopedFd null = OpenFile("/dev/null", O_RDWR).value();
  Watch readable;
  Watch writable;
  int reads = 0;
  readable = loop_.OnReadable(null.get(), [&] {
    if (++reads == 2) readable.Reset();
  });
  writable = loop_.OnWritable(null.get(), [&] {
    calls_.push_back("write");
    writable.Reset();
  });

  driver_->RunReady();

  EXPECT_EQ(reads, 2);
  EXPECT_THAT(calls_, ElementsAre("write"));
  EXPECT_EQ(driver_->RunReady(), 0);
}

TEST_P(EventLoopTest, DestroyedWatchNeverRuns) {
  event_.Signal();
  Watch watch = loop_.OnReadable(event_.fd(), Note("read"));
  Watch timer = loop_.After(absl::ZeroDuration(), Note("timer"));

  watch.Reset();
  timer.Reset();

  EXPECT_FALSE(watch.active());
  EXPECT_EQ(driver_->RunReady(), 0);
}

TEST_P(EventLoopTest, DescriptorMayBeWatchedAgain) {
  event_.Signal();
  Watch watch = loop_.OnReadable(event_.fd(), Note("old"));
  watch.Reset();

  watch = loop_.OnReadable(event_.fd(), [&] {
    calls_.push_back("new");
    event_.Drain();
  });
  driver_->RunReady();

  EXPECT_THAT(calls_, ElementsAre("new"));
}

TEST_P(EventLoopTest, ReusedDescriptorNumberIsANewDescriptor) {
  std::optional<EventFd> first = EventFd::Create().value();
  const int number = first->fd();
  Watch watch = loop_.OnReadable(number, Note("first"));
  watch.Reset();
  first.reset();
  EventFd second = EventFd::Create().value();
  ASSERT_EQ(second.fd(), number);

  watch = loop_.OnReadable(number, [&] {
    calls_.push_back("second");
    second.Drain();
  });
  second.Signal();
  driver_->RunReady();

  EXPECT_THAT(calls_, ElementsAre("second"));
}

TEST_P(EventLoopTest, CallbackMayDestroyItsOwnWatchAndKeepsItsCaptures) {
  event_.Signal();
  auto capture = std::make_shared<int>(7);
  std::weak_ptr<int> observer = capture;
  int seen = 0;
  Watch watch;
  watch = loop_.OnReadable(event_.fd(), [&, capture = std::move(capture)] {
    watch.Reset();
    seen = *capture;
  });

  driver_->RunReady();

  EXPECT_EQ(seen, 7);
  EXPECT_TRUE(observer.expired());
}

TEST_P(EventLoopTest, CallbackMayDestroyAnotherWatchThatIsReadyToo) {
  EventFd other = EventFd::Create().value();
  event_.Signal();
  other.Signal();
  Watch first;
  Watch second;
  first = loop_.OnReadable(event_.fd(), [&] {
    calls_.push_back("one");
    first.Reset();
    second.Reset();
  });
  second = loop_.OnReadable(other.fd(), [&] {
    calls_.push_back("one");
    first.Reset();
    second.Reset();
  });

  driver_->RunReady();

  EXPECT_THAT(calls_, ElementsAre("one"));
}

TEST_P(EventLoopTest, CallbackMayOwnAWatchOfTheSameLoop) {
  Watch inner = loop_.After(absl::Seconds(100), Note("inner"));
  Watch outer = loop_.After(absl::ZeroDuration(), [inner = std::move(inner)] {});

  EXPECT_EQ(driver_->RunReady(), 1);

  EXPECT_THAT(calls_, IsEmpty());
}

TEST_P(EventLoopTest, TimerRunsOnceAndNotEarly) {
  Watch timer = loop_.After(absl::Milliseconds(20), Note("timer"));

  driver_->RunReady();
  EXPECT_THAT(calls_, IsEmpty());
  driver_->Pass(absl::Milliseconds(21));
  EXPECT_THAT(calls_, ElementsAre("timer"));
  driver_->Pass(absl::Milliseconds(21));

  EXPECT_THAT(calls_, ElementsAre("timer"));
}

TEST_P(EventLoopTest, TimersRunInOrderOfDeadlineThenOfMaking) {
  Watch last = loop_.After(absl::Milliseconds(3), Note("last"));
  Watch first = loop_.After(absl::Milliseconds(1), Note("first"));
  Watch never = loop_.After(absl::InfiniteDuration(), Note("never"));
  Watch now1 = loop_.After(absl::ZeroDuration(), Note("now1"));
  Watch now2 = loop_.After(-absl::Seconds(5), Note("now2"));

  driver_->Pass(absl::Milliseconds(5));

  EXPECT_THAT(calls_, ElementsAre("now1", "now2", "first", "last"));
}

TEST_P(EventLoopTest, TimerMayStartAnotherInItsOwnWatch) {
  Watch timer;
  timer = loop_.After(absl::Milliseconds(1), [&] {
    calls_.push_back("first");
    timer = loop_.After(absl::Milliseconds(1), Note("second"));
  });

  driver_->Pass(absl::Milliseconds(10));

  EXPECT_THAT(calls_, ElementsAre("first", "second"));
}

TEST_P(EventLoopTest, CancelledTimerDoesNotHoldBackLaterOnes) {
  Watch early = loop_.After(absl::Milliseconds(1), Note("early"));
  Watch late = loop_.After(absl::Milliseconds(3), Note("late"));

  early.Reset();
  driver_->Pass(absl::Milliseconds(10));

  EXPECT_THAT(calls_, ElementsAre("late"));
}

TEST_P(EventLoopTest, TimerReleasesItsCapturesWhenItHasRun) {
  auto capture = std::make_shared<int>(1);
  std::weak_ptr<int> observer = capture;
  Watch timer = loop_.After(absl::ZeroDuration(), [capture = std::move(capture)] {});

  driver_->RunReady();

  EXPECT_TRUE(observer.expired());
}

TEST_P(EventLoopTest, PostedCallbacksRunOnceInOrder) {
  loop_.Post(Note("a"));
  loop_.Post(Note("b"));

  EXPECT_EQ(driver_->RunReady(), 2);

  EXPECT_THAT(calls_, ElementsAre("a", "b"));
  EXPECT_EQ(driver_->RunReady(), 0);
}

TEST_P(EventLoopTest, PostedCallbackMayPost) {
  loop_.Post([&] {
    calls_.push_back("a");
    loop_.Post(Note("c"));
  });
  loop_.Post(Note("b"));

  EXPECT_EQ(driver_->RunReady(), 3);

  EXPECT_THAT(calls_, ElementsAre("a", "b", "c"));
}

TEST_P(EventLoopTest, EndlessPostingStarvesNobody) {
  event_.Signal();
  bool done = false;
  struct Repeat {
    EventLoop& loop;
    bool& done;
    void operator()() {
      if (!done) loop.Post(Repeat{loop, done});
    }
  };
  loop_.Post(Repeat{loop_, done});
  Watch watch = loop_.OnReadable(event_.fd(), [&] {
    event_.Drain();
    done = true;
  });

  driver_->RunReady();

  EXPECT_TRUE(done);
}

TEST_P(EventLoopTest, LoopDropsPostedCallbacksAndTheirWatchesWhenDestroyed) {
  auto capture = std::make_shared<int>(1);
  std::weak_ptr<int> observer = capture;
  Watch watch = loop_.OnReadable(event_.fd(), Note("read"));
  loop_.Post([capture = std::move(capture), watch = std::move(watch)] {});

  driver_.reset();

  EXPECT_TRUE(observer.expired());
}

using EventLoopDeathTest = EventLoopTest;
INSTANTIATE_TEST_SUITE_P(Loops, EventLoopDeathTest,
                         testing::Values(LoopKind{"Epoll", Make<EpollDriver>},
                                         LoopKind{"Manual", Make<ManualDriver>}),
                         [](const testing::TestParamInfo<LoopKind>& info) {
                           return std::string(info.param.name);
                         });

TEST_P(EventLoopDeathTest, SecondWatchOfOneDirection) {
  Watch watch = loop_.OnReadable(event_.fd(), Note("one"));

  EXPECT_DEATH(watch = loop_.OnReadable(event_.fd(), Note("two")), "CHECK failed");
}

TEST_P(EventLoopDeathTest, TurningFromInsideACallback) {
  loop_.Post([this] {
    loop_.Post(Note("inner"));
    driver_->RunReady();
  });

  EXPECT_DEATH(driver_->RunReady(), "CHECK failed");
}

}  // namespace
}  // namespace touchstone
