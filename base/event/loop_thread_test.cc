#include "base/event/loop_thread.h"

#include <pthread.h>

#include <atomic>
#include <future>
#include <memory>
#include <string>
#include <thread>

#include "base/event_fd.h"
#include "gtest/gtest.h"

namespace touchstone {
namespace {

// What `call` returns on the loop's thread.
template <typename Call>
auto OnLoop(LoopThread& thread, Call call) {
  std::promise<decltype(call())> promise;
  thread.loop().Post([&] { promise.set_value(call()); });
  return promise.get_future().get();
}

std::string ThisThreadsName() {
  char name[16] = {};
  pthread_getname_np(pthread_self(), name, sizeof(name));
  return name;
}

TEST(LoopThreadTest, CallbacksRunOnAThreadOfThatName) {
  std::unique_ptr<LoopThread> thread = LoopThread::Start("block vda").value();

  EXPECT_EQ(OnLoop(*thread, ThisThreadsName), "block vda");
  EXPECT_NE(OnLoop(*thread, [] { return std::this_thread::get_id(); }), std::this_thread::get_id());
}

TEST(LoopThreadTest, LongNamesAreCut) {
  std::unique_ptr<LoopThread> thread = LoopThread::Start("a rather long device name").value();

  EXPECT_EQ(OnLoop(*thread, ThisThreadsName), "a rather long d");
}

TEST(LoopThreadTest, AWatchOutlivesTheThread) {
  std::unique_ptr<LoopThread> thread = LoopThread::Start("watch").value();
  const EventFd event = EventFd::Create().value();
  std::promise<void> called;
  Watch watch = thread->loop().OnReadable(event.fd(), [&] {
    event.Drain();
    called.set_value();
  });
  event.Signal();
  called.get_future().wait();

  thread->Stop();
  event.Signal();
  watch.Reset();

  EXPECT_EQ(event.Drain(), 1u);
}

TEST(LoopThreadTest, StopLetsTheRunningCallbackFinish) {
  std::unique_ptr<LoopThread> thread = LoopThread::Start("stop").value();
  std::promise<void> started;
  std::atomic<bool> finished{false};
  thread->loop().Post([&] {
    started.set_value();
    std::this_thread::yield();
    finished = true;
  });
  started.get_future().wait();

  thread->Stop();
  thread->Stop();

  EXPECT_TRUE(finished);
}

TEST(LoopThreadTest, WhatIsPostedAfterStopDoesNotRun) {
  std::unique_ptr<LoopThread> thread = LoopThread::Start("late").value();
  std::atomic<bool> ran{false};

  thread->Stop();
  thread->loop().Post([&] { ran = true; });
  thread.reset();

  EXPECT_FALSE(ran);
}

// For ThreadSanitizer: threads that come and go at once while others post.
TEST(LoopThreadTest, ManyThreadsStartAndStop) {
  std::atomic<int> ran{0};
  for (int i = 0; i < 50; ++i) {
    std::unique_ptr<LoopThread> thread = LoopThread::Start("loop").value();
    std::thread poster([&] {
      for (int post = 0; post < 10; ++post) thread->loop().Post([&] { ++ran; });
    });
    poster.join();
  }

  EXPECT_LE(ran, 500);
}

}  // namespace
}  // namespace touchstone
