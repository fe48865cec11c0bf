// What only EpollLoop does: run until stopped, and be used from several threads.

#include "base/event/epoll_loop.h"

#include <algorithm>
#include <atomic>
#include <memory>
#include <thread>
#include <vector>

#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "base/clock.h"
#include "base/event_fd.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace touchstone {
namespace {

using ::testing::ElementsAre;

// A loop that runs on a thread of its own.
class RunningLoop {
 public:
  RunningLoop() : thread_([this] { loop_->Run(); }) {}
  ~RunningLoop() {
    loop_->Stop();
    thread_.join();
  }
  EpollLoop& operator*() { return *loop_; }
  EpollLoop* operator->() { return loop_.get(); }

  // Returns when everything posted before has run.
  void Settle() {
    std::atomic<bool> ran{false};
    loop_->Post([&ran] { ran.store(true, std::memory_order_release); });
    while (!ran.load(std::memory_order_acquire)) std::this_thread::yield();
  }

 private:
  std::unique_ptr<EpollLoop> loop_ = EpollLoop::Create().value();
  std::thread thread_;
};

TEST(EpollLoopTest, RunReturnsWhenACallbackStops) {
  std::unique_ptr<EpollLoop> loop = EpollLoop::Create().value();
  std::vector<int> calls;
  loop->Post([&] {
    calls.push_back(1);
    loop->Stop();
  });
  loop->Post([&] {
    calls.push_back(2);
    loop->Stop();
  });

  loop->Run();
  EXPECT_THAT(calls, ElementsAre(1));
  loop->Run();

  EXPECT_THAT(calls, ElementsAre(1, 2));
}

TEST(EpollLoopTest, StopBeforeRunIsNotLost) {
  std::unique_ptr<EpollLoop> loop = EpollLoop::Create().value();
  bool ran = false;
  loop->Post([&ran] { ran = true; });

  loop->Stop();
  loop->Run();
  EXPECT_FALSE(ran);
  EXPECT_EQ(loop->RunOnce(absl::ZeroDuration()), 1);

  EXPECT_TRUE(ran);
}

TEST(EpollLoopTest, StopFromAnotherThreadWakesTheLoop) {
  std::unique_ptr<EpollLoop> loop = EpollLoop::Create().value();
  std::thread other([&loop] {
    absl::SleepFor(absl::Milliseconds(5));
    loop->Stop();
  });

  loop->Run();

  other.join();
}

TEST(EpollLoopTest, RunOnceWaitsNoLongerThanItsTimeout) {
  std::unique_ptr<EpollLoop> loop = EpollLoop::Create().value();
  const absl::Duration start = SystemClock().Monotonic();

  EXPECT_EQ(loop->RunOnce(absl::Milliseconds(10)), 0);

  EXPECT_GE(SystemClock().Monotonic() - start, absl::Milliseconds(10));
}

TEST(EpollLoopTest, TimerEndsTheWaitOfRunOnce) {
  std::unique_ptr<EpollLoop> loop = EpollLoop::Create().value();
  bool fired = false;
  const absl::Duration start = SystemClock().Monotonic();
  Watch timer = loop->After(absl::Microseconds(1500), [&fired] { fired = true; });

  EXPECT_EQ(loop->RunOnce(absl::InfiniteDuration()), 1);

  EXPECT_TRUE(fired);
  EXPECT_GE(SystemClock().Monotonic() - start, absl::Microseconds(1500));
}

TEST(EpollLoopTest, MoreReadyDescriptorsThanOneTurnTakes) {
  std::unique_ptr<EpollLoop> loop = EpollLoop::Create().value();
  std::vector<EventFd> events;
  std::vector<Watch> watches;
  int calls = 0;
  for (int i = 0; i < 100; ++i) {
    events.push_back(EventFd::Create().value());
    events.back().Signal();
  }
  for (EventFd& event : events) {
    watches.push_back(loop->OnReadable(event.fd(), [&calls, &event] {
      event.Drain();
      ++calls;
    }));
  }

  while (loop->RunOnce(absl::ZeroDuration()) > 0) {
  }

  EXPECT_EQ(calls, 100);
}

TEST(EpollLoopThreadsTest, PostsOfOneThreadRunInOrderOnTheLoopThread) {
  constexpr int kPosts = 1000;
  RunningLoop loop;
  std::vector<int> seen[2];
  std::vector<std::thread> posters;
  for (std::vector<int>& mine : seen) {
    posters.emplace_back([&loop, &mine] {
      for (int i = 0; i < kPosts; ++i) loop->Post([&mine, i] { mine.push_back(i); });
    });
  }
  for (std::thread& poster : posters) poster.join();
  loop.Settle();

  for (const std::vector<int>& mine : seen) {
    ASSERT_EQ(mine.size(), static_cast<size_t>(kPosts));
    EXPECT_TRUE(std::is_sorted(mine.begin(), mine.end()));
  }
}

TEST(EpollLoopThreadsTest, WatchAndTimerMadeElsewhereWakeTheLoop) {
  RunningLoop loop;
  EventFd event = EventFd::Create().value();
  std::atomic<int> calls{0};
  Watch watch = loop->OnReadable(event.fd(), [&] {
    event.Drain();
    calls.fetch_add(1, std::memory_order_relaxed);
  });
  Watch timer =
      loop->After(absl::Milliseconds(2), [&] { calls.fetch_add(1, std::memory_order_relaxed); });

  event.Signal();
  while (calls.load(std::memory_order_relaxed) < 2) std::this_thread::yield();

  EXPECT_EQ(calls.load(std::memory_order_relaxed), 2);
}

TEST(EpollLoopThreadsTest, DestroyingAWatchWaitsForItsRunningCallback) {
  RunningLoop loop;
  EventFd event = EventFd::Create().value();
  event.Signal();
  std::atomic<bool> entered{false};
  // Plain on purpose: ThreadSanitizer sees it when the destructor does not wait.
  int state = 0;
  Watch watch = loop->OnReadable(event.fd(), [&] {
    event.Drain();
    entered.store(true, std::memory_order_relaxed);
    absl::SleepFor(absl::Milliseconds(10));
    state = 1;
  });

  while (!entered.load(std::memory_order_relaxed)) std::this_thread::yield();
  watch.Reset();

  EXPECT_EQ(state, 1);
}

TEST(EpollLoopThreadsTest, DestroyingATimerWaitsForItsRunningCallback) {
  RunningLoop loop;
  std::atomic<bool> entered{false};
  int state = 0;
  Watch timer = loop->After(absl::ZeroDuration(), [&] {
    entered.store(true, std::memory_order_relaxed);
    absl::SleepFor(absl::Milliseconds(10));
    state = 1;
  });

  while (!entered.load(std::memory_order_relaxed)) std::this_thread::yield();
  timer.Reset();

  EXPECT_EQ(state, 1);
}

TEST(EpollLoopThreadsTest, DestroyingAnotherWatchDoesNotWait) {
  EventFd event = EventFd::Create().value();
  std::atomic<bool> entered{false};
  std::atomic<bool> release{false};
  RunningLoop loop;
  Watch other = loop->OnReadable(event.fd(), [] {});
  loop->Post([&] {
    entered.store(true, std::memory_order_relaxed);
    while (!release.load(std::memory_order_relaxed)) std::this_thread::yield();
  });

  while (!entered.load(std::memory_order_relaxed)) std::this_thread::yield();
  other.Reset();
  EXPECT_FALSE(other.active());

  release.store(true, std::memory_order_relaxed);
}

// Threads make and destroy watches while their callbacks run; whatever a callback touches is gone
// right after its watch. For the sanitizers.
TEST(EpollLoopThreadsTest, WatchesComeAndGoWhileTheLoopRuns) {
  RunningLoop loop;
  std::vector<std::thread> threads;
  std::atomic<int> calls{0};
  for (int thread = 0; thread < 3; ++thread) {
    threads.emplace_back([&loop, &calls] {
      for (int i = 0; i < 300; ++i) {
        EventFd event = EventFd::Create().value();
        auto touched = std::make_unique<int>(0);
        Watch watch = loop->OnReadable(event.fd(), [&event, &calls, value = touched.get()] {
          event.Drain();
          ++*value;
          calls.fetch_add(1, std::memory_order_relaxed);
        });
        Watch timer = loop->After(absl::Microseconds(i % 7), [value = touched.get()] { ++*value; });
        event.Signal();
        if (i % 2 == 0) std::this_thread::yield();
        timer.Reset();
        watch.Reset();
        *touched = -1;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  loop.Settle();

  EXPECT_LE(calls.load(std::memory_order_relaxed), 900);
}

}  // namespace
}  // namespace touchstone
