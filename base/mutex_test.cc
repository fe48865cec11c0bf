#include "base/mutex.h"

#include <chrono>
#include <thread>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "gtest/gtest.h"

namespace touchstone {
namespace {

struct Shared {
  Mutex mutex;
  CondVar changed;
  int value ABSL_GUARDED_BY(mutex) = 0;
};

TEST(MutexTest, OnlyOneThreadIsInside) {
  Shared shared;
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&shared] {
      for (int step = 0; step < 1000; ++step) {
        MutexLock lock(shared.mutex);
        ++shared.value;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();

  MutexLock lock(shared.mutex);
  EXPECT_EQ(shared.value, 4000);
}

TEST(CondVarTest, SignalWakesAWaiter) {
  Shared shared;
  std::thread other([&shared] {
    MutexLock lock(shared.mutex);
    shared.value = 1;
    shared.changed.Signal();
  });

  {
    MutexLock lock(shared.mutex);
    while (shared.value == 0) shared.changed.Wait(shared.mutex);
    EXPECT_EQ(shared.value, 1);
    shared.value = 2;  // still locked
  }
  other.join();
}

TEST(CondVarTest, SignalAllWakesEveryWaiter) {
  Shared shared;
  std::vector<std::thread> waiters;
  for (int i = 0; i < 3; ++i) {
    waiters.emplace_back([&shared] {
      MutexLock lock(shared.mutex);
      while (shared.value == 0) shared.changed.Wait(shared.mutex);
      ++shared.value;
    });
  }
  {
    MutexLock lock(shared.mutex);
    shared.value = 1;
    shared.changed.SignalAll();
  }
  for (std::thread& waiter : waiters) waiter.join();

  MutexLock lock(shared.mutex);
  EXPECT_EQ(shared.value, 4);
}

TEST(CondVarTest, WaitForSaysWhenTimeRanOut) {
  Shared shared;
  const auto start = std::chrono::steady_clock::now();

  MutexLock lock(shared.mutex);
  bool woken = true;
  while (woken) woken = shared.changed.WaitFor(shared.mutex, std::chrono::milliseconds(5));

  EXPECT_GE(std::chrono::steady_clock::now() - start, std::chrono::milliseconds(5));
  EXPECT_EQ(shared.value, 0);  // still locked
}

TEST(CondVarTest, WaitForEndsWithASignal) {
  Shared shared;
  std::thread other([&shared] {
    MutexLock lock(shared.mutex);
    shared.value = 1;
    shared.changed.Signal();
  });

  bool in_time = true;
  {
    MutexLock lock(shared.mutex);
    while (shared.value == 0 && in_time) {
      in_time = shared.changed.WaitFor(shared.mutex, std::chrono::seconds(60));
    }
  }
  other.join();

  EXPECT_TRUE(in_time);
}

}  // namespace
}  // namespace touchstone
