#include "devices/virtio/core/queue_device.h"

#include <atomic>
#include <deque>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "base/event/epoll_loop.h"
#include "base/event/manual_loop.h"
#include "devices/virtio/core/virtio_features.h"
#include "devices/virtio/testing/guest_driver.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace touchstone {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

// Answers with what it reads; queue 1 keeps its chains until it is told to go on.
class EchoDevice final : public QueueDevice {
 public:
  explicit EchoDevice(EventLoop& loop)
      : QueueDevice({.device_id = 42,
                     .queue_sizes = {512, 8},
                     .features = kVirtioIndirectDescriptors | kVirtioPackedRing},
                    loop) {}

  void Finish() {
    while (!kept_.empty()) {
      Answer(std::move(kept_.front()));
      kept_.pop_front();
    }
  }
  void FinishAndFlush() {
    Finish();
    Flush(1);
  }
  [[nodiscard]] size_t kept() const { return kept_.size(); }
  [[nodiscard]] int resets() const { return resets_; }
  void Open(bool open) {
    open_ = open;
    Resume(0);
  }
  using QueueDevice::SignalConfig;
  [[nodiscard]] int batches() const { return batches_; }

 private:
  static void Answer(ReadableChain chain) {
    std::vector<uint8_t> bytes(std::min(chain.readable(), chain.writable()));
    EXPECT_TRUE(chain.Read(absl::MakeSpan(bytes)).ok());
    WritableChain answer = std::move(chain).IntoWritable();
    EXPECT_TRUE(answer.Write(bytes).ok());
    std::move(answer).Complete();
  }
  bool Accepts(uint16_t queue) override { return queue == 1 || open_; }
  void Handle(uint16_t queue, ReadableChain chain) override {
    if (queue == 1) return kept_.push_back(std::move(chain));
    Answer(std::move(chain));
  }
  void Drain(uint16_t queue) override {
    if (queue == 1) Finish();
  }
  void EndBatch(uint16_t queue) override {
    if (queue == 0) ++batches_;
  }
  void OnReset() override { ++resets_; }

  std::deque<ReadableChain> kept_;
  int resets_ = 0;
  std::atomic<bool> open_ = true;
  int batches_ = 0;
};

// Queue 1 has a loop of its own.
class TwoLoops final : public QueueDevice {
 public:
  TwoLoops(EventLoop& loop, EventLoop& second)
      : QueueDevice({.device_id = 42, .queue_sizes = {8, 8}}, loop), second_(second) {}

 private:
  void Handle(uint16_t /*queue*/, ReadableChain chain) override { std::move(chain).Complete(); }
  EventLoop& LoopOf(uint16_t queue) override { return queue == 1 ? second_ : loop(); }

  EventLoop& second_;
};

class QueueDeviceTest : public testing::TestWithParam<uint64_t> {
 protected:
  ManualLoop loop_;
  EchoDevice device_{loop_};
  GuestDriver guest_{device_, {.features = GetParam()}};
};

TEST_P(QueueDeviceTest, ServesWhatWasKickedAndInterrupts) {
  guest_.Start();
  loop_.RunReady();
  guest_.queue(0).EnableSignals(true);
  guest_.queue(0).Chain().Readable({1, 2, 3}).Writable(3).Send();
  EXPECT_TRUE(guest_.Kick(0));
  loop_.RunReady();

  EXPECT_THAT(guest_.queue(0).PollUsed()->data, ElementsAre(1, 2, 3));
  EXPECT_EQ(guest_.interrupt().queue_signals(0), 1);
  EXPECT_EQ(guest_.interrupt().queue_signals(1), 0);
}

TEST_P(QueueDeviceTest, FindsChainsThatAreThereBeforeTheStart) {
  guest_.Prepare();
  guest_.queue(0).Chain().Readable({7}).Writable(1).Send();
  guest_.Start();
  loop_.RunReady();

  EXPECT_THAT(guest_.queue(0).PollUsed()->data, ElementsAre(7));
}

TEST_P(QueueDeviceTest, OneInterruptForABatch) {
  guest_.Start();
  loop_.RunReady();
  guest_.queue(0).EnableSignals(true);
  for (int i = 0; i < 100; ++i) guest_.queue(0).Chain().Writable(1).Send();
  guest_.Kick(0);
  loop_.RunReady();

  EXPECT_EQ(guest_.interrupt().queue_signals(0), 1);
}

TEST_P(QueueDeviceTest, ABatchEndsOnce) {
  guest_.Start();
  loop_.RunReady();
  const int before = device_.batches();
  for (int i = 0; i < 100; ++i) guest_.queue(0).Chain().Writable(1).Send();
  guest_.Kick(0);
  loop_.RunReady();

  EXPECT_EQ(device_.batches(), before + 1);
}

TEST_P(QueueDeviceTest, AQueueIsServedByItsOwnLoop) {
  ManualLoop second;
  TwoLoops device(loop_, second);
  GuestDriver guest(device, {.features = GetParam()});
  guest.Start();
  guest.queue(0).Chain().Writable(1).Send();
  guest.queue(1).Chain().Writable(1).Send();

  loop_.RunReady();
  EXPECT_TRUE(guest.queue(0).PollUsed().has_value());
  EXPECT_FALSE(guest.queue(1).PollUsed().has_value());
  second.RunReady();
  EXPECT_TRUE(guest.queue(1).PollUsed().has_value());
}

TEST_P(QueueDeviceTest, MoreChainsThanATurnServesAreServedLater) {
  guest_.Prepare();
  for (int i = 0; i < 500; ++i) guest_.queue(0).Chain().Writable(1).Send();
  guest_.Start();

  EXPECT_GE(loop_.RunReady(), 2);

  int used = 0;
  while (guest_.queue(0).PollUsed().has_value()) ++used;
  EXPECT_EQ(used, 500);
}

TEST_P(QueueDeviceTest, ChainsMayCompleteLater) {
  guest_.Start();
  loop_.RunReady();
  guest_.queue(1).EnableSignals(true);
  guest_.queue(1).Chain().Readable({5}).Writable(1).Send();
  guest_.Kick(1);
  loop_.RunReady();
  ASSERT_EQ(device_.kept(), 1u);
  EXPECT_EQ(guest_.interrupt().queue_signals(1), 0);

  device_.FinishAndFlush();

  EXPECT_THAT(guest_.queue(1).PollUsed()->data, ElementsAre(5));
  EXPECT_EQ(guest_.interrupt().queue_signals(1), 1);
}

TEST_P(QueueDeviceTest, WhatIsNotAcceptedStaysInTheRingUntilResumed) {
  guest_.Start();
  loop_.RunReady();
  device_.Open(false);
  guest_.queue(0).Chain().Readable({6}).Writable(1).Send();
  guest_.Kick(0);
  loop_.RunReady();
  EXPECT_FALSE(guest_.queue(0).PollUsed().has_value());

  device_.Open(true);
  loop_.RunReady();

  EXPECT_THAT(guest_.queue(0).PollUsed()->data, ElementsAre(6));
}

TEST_P(QueueDeviceTest, StopLeavesWhatIsNotAcceptedToTheNextStart) {
  guest_.Start();
  loop_.RunReady();
  device_.Open(false);
  guest_.queue(0).Chain().Readable({8}).Writable(1).Send();
  guest_.Kick(0);
  loop_.RunReady();

  const QueuePosition position = device_.StopQueue(0).value();
  device_.Open(true);
  loop_.RunReady();
  EXPECT_FALSE(guest_.queue(0).PollUsed().has_value());
  guest_.StartQueue(0, position);
  loop_.RunReady();

  EXPECT_THAT(guest_.queue(0).PollUsed()->data, ElementsAre(8));
}

TEST_P(QueueDeviceTest, ConfigurationSignalsReachOnlyADriver) {
  device_.SignalConfig();
  guest_.Start();
  device_.SignalConfig();
  device_.Reset();
  device_.SignalConfig();

  EXPECT_EQ(guest_.interrupt().config_signals(), 1);
}

// Takes a chain when it is told to.
class PullDevice final : public QueueDevice {
 public:
  explicit PullDevice(EventLoop& loop) : QueueDevice({.device_id = 42, .queue_sizes = {8}}, loop) {}
  bool Take() {
    VirtQueue* const queue = running_queue(0);
    if (queue == nullptr) return false;
    std::optional<ReadableChain> chain = queue->Pop();
    if (!chain.has_value()) return false;
    std::move(*chain).Complete();
    Flush(0);
    return true;
  }
  int kicks = 0;

 private:
  void OnKick(uint16_t /*index*/, VirtQueue& /*queue*/) override { ++kicks; }
  void Handle(uint16_t /*queue*/, ReadableChain /*chain*/) override { ADD_FAILURE(); }
};

TEST_P(QueueDeviceTest, ADeviceMayPopWhenItHasAUseForChains) {
  PullDevice device(loop_);
  GuestDriver guest(device, {.features = GetParam()});
  EXPECT_FALSE(device.Take());
  guest.Start();
  guest.queue(0).Chain().Writable(1).Send();
  loop_.RunReady();
  EXPECT_FALSE(guest.queue(0).PollUsed().has_value());

  EXPECT_TRUE(device.Take());

  EXPECT_EQ(device.kicks, 1);
  EXPECT_TRUE(guest.queue(0).PollUsed().has_value());
  EXPECT_EQ(guest.interrupt().queue_signals(0), 1);
}

TEST_P(QueueDeviceTest, StopDrainsAndStartGoesOn) {
  guest_.Start();
  guest_.queue(1).Chain().Readable({1}).Writable(1).Send();
  guest_.Kick(1);
  loop_.RunReady();
  guest_.queue(1).Chain().Readable({2}).Writable(1).Send();

  const absl::StatusOr<QueuePosition> position = device_.StopQueue(1);
  ASSERT_TRUE(position.ok());
  EXPECT_THAT(guest_.queue(1).PollUsed()->data, ElementsAre(1));
  loop_.RunReady();
  EXPECT_FALSE(guest_.queue(1).PollUsed().has_value());
  guest_.StartQueue(1, *position);
  loop_.RunReady();
  device_.FinishAndFlush();

  EXPECT_THAT(guest_.queue(1).PollUsed()->data, ElementsAre(2));
}

TEST_P(QueueDeviceTest, StoppingWhatDoesNotRunIsAnError) {
  EXPECT_EQ(device_.StopQueue(0).status().code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(device_.StopQueue(2).status().code(), absl::StatusCode::kFailedPrecondition);
}

TEST_P(QueueDeviceTest, ResetStopsAllAndAllowsANewStart) {
  guest_.Start();
  guest_.queue(1).Chain().Readable({1}).Writable(1).Send();
  loop_.RunReady();

  device_.Reset();
  EXPECT_EQ(device_.kept(), 0u);
  EXPECT_EQ(device_.resets(), 1);
  guest_.Start();
  guest_.queue(0).Chain().Readable({9}).Writable(1).Send();
  guest_.Kick(0);
  loop_.RunReady();

  EXPECT_THAT(guest_.queue(0).PollUsed()->data, ElementsAre(9));
}

TEST_P(QueueDeviceTest, BrokenQueueIsReportedOnce) {
  guest_.Prepare();
  // As a driver area and as a descriptor, this is nothing that a driver may write.
  guest_.Scribble(0, 0xFF);
  guest_.Start();
  loop_.RunReady();
  guest_.kick(0).Signal();
  loop_.RunReady();

  EXPECT_EQ(guest_.interrupt().broken(0), (GetParam() & kVirtioPackedRing) != 0 ? 0 : 1);
  EXPECT_EQ(guest_.interrupt().broken(1), 0);
}

INSTANTIATE_TEST_SUITE_P(Features, QueueDeviceTest,
                         testing::Values(0, kVirtioEventIndex, kVirtioPackedRing,
                                         kVirtioPackedRing | kVirtioEventIndex));

TEST(QueueDeviceFeaturesTest, OffersWhatEveryDeviceDoes) {
  ManualLoop loop;
  const EchoDevice device(loop);

  EXPECT_EQ(device.features(),
            kVirtioVersion1 | kVirtioEventIndex | kVirtioIndirectDescriptors | kVirtioPackedRing);
  EXPECT_THAT(device.max_queue_sizes(), ElementsAre(512, 8));
  EXPECT_EQ(device.device_id(), 42u);
}

TEST(QueueDeviceFeaturesTest, UnknownFeaturesAreRefused) {
  ManualLoop loop;
  EchoDevice device(loop);
  RecordingInterrupt interrupt;

  EXPECT_EQ(device.Attach({.features = 1, .interrupt = &interrupt}).code(),
            absl::StatusCode::kInvalidArgument);
}

TEST(QueueDeviceStateTest, DeviceWithoutStateHasNone) {
  ManualLoop loop;
  EchoDevice device(loop);

  EXPECT_EQ(*device.Save(), "");
  EXPECT_TRUE(device.Restore("").ok());
  EXPECT_THAT(std::string(device.Restore("x").message()), HasSubstr("1 bytes"));
}

// Under ThreadSanitizer: the loop on one thread, the transport and the driver on another, the
// host's side of the device on a third.
TEST(QueueDeviceThreadTest, StopsWhileTheLoopRuns) {
  std::unique_ptr<EpollLoop> loop = EpollLoop::Create().value();
  EchoDevice device(*loop);
  std::thread runner([&loop] { loop->Run(); });
  GuestDriver guest(device, {.features = kVirtioEventIndex});

  std::atomic<bool> resumes = true;
  std::thread resumer([&device, &resumes] {
    while (resumes) {
      device.Open(true);
      device.SignalConfig();
      std::this_thread::yield();
    }
  });

  int served = 0;
  for (int i = 0; i < 50; ++i) {
    guest.Start();
    guest.queue(0).Chain().Readable({1}).Writable(1).Send();
    guest.Kick(0);
    if (i % 2 == 0) {
      while (!guest.queue(0).PollUsed().has_value()) std::this_thread::yield();
      ++served;
    }
    device.Reset();
  }
  resumes = false;
  resumer.join();
  loop->Stop();
  runner.join();

  EXPECT_EQ(served, 25);
}

}  // namespace
}  // namespace touchstone
