#include "devices/virtio/net/net.h"

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/time/time.h"
#include "base/event/manual_loop.h"
#include "devices/virtio/core/virtio_features.h"
#include "devices/virtio/net/fake_net_backend.h"
#include "devices/virtio/testing/guest_driver.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace touchstone {
namespace {

using testing::AllOf;
using testing::Each;
using testing::ElementsAre;
using testing::IsEmpty;
using testing::SizeIs;

using Bytes = std::vector<uint8_t>;

constexpr MacAddress kMac = {0x52, 0x54, 0, 1, 2, 3};
constexpr MacAddress kOther = {0x52, 0x54, 0, 9, 9, 9};

// A frame as a port has it: `size` bytes, of which the first 12 are a header.
Bytes Frame(size_t size, const MacAddress& destination = kMac) {
  Bytes frame(size);
  for (size_t i = 12; i < size; ++i) frame[i] = static_cast<uint8_t>(i * 7 + i / 256);
  std::copy(destination.begin(), destination.end(), frame.begin() + 12);
  return frame;
}

// The same as the driver gets it, in so many buffers.
Bytes Received(Bytes frame, uint16_t buffers) {
  frame[10] = static_cast<uint8_t>(buffers);
  frame[11] = static_cast<uint8_t>(buffers >> 8);
  return frame;
}

Bytes Joined(const std::vector<DriverQueue::Used>& used) {
  Bytes bytes;
  for (const DriverQueue::Used& one : used) {
    bytes.insert(bytes.end(), one.data.begin(), one.data.begin() + one.length);
  }
  return bytes;
}

class NetFixture {
 protected:
  static constexpr uint16_t kReceive = 0;
  static constexpr uint16_t kTransmit = 1;
  static constexpr uint16_t kControl = 2;

  explicit NetFixture(uint64_t features, Net::Options options = {.mac = kMac, .packed = true},
                      size_t pairs = 1) {
    auto backend = std::make_unique<FakeNetBackend>(pairs);
    backend_ = backend.get();
    net_ = std::make_unique<Net>(std::move(backend), options, loop_);
    guest_ = std::make_unique<GuestDriver>(
        *net_,
        GuestDriver::Options{.features = features | kNetControlQueue, .queue_memory = 2 << 20});
  }

  FakeNetPort& port() { return backend_->fake_port(0); }
  DriverQueue& queue(uint16_t index) { return guest_->queue(index); }
  void Offer(uint32_t size, int count = 1) {
    for (int i = 0; i < count; ++i) queue(kReceive).Chain().Writable(size).Send();
    guest_->Kick(kReceive);
    loop_.RunReady();
  }
  void Arrive(Bytes frame) {
    port().Arrive(std::move(frame));
    loop_.RunReady();
  }
  std::vector<DriverQueue::Used> Collect(uint16_t index = kReceive) {
    std::vector<DriverQueue::Used> all;
    while (auto used = queue(index).PollUsed()) all.push_back(*std::move(used));
    return all;
  }
  void Transmit(const Bytes& frame) {
    queue(kTransmit).Chain().Readable(frame).Send();
    guest_->Kick(kTransmit);
    loop_.RunReady();
  }
  uint16_t LinkStatus() {
    Le16 status;
    net_->ReadConfig(6, {reinterpret_cast<uint8_t*>(&status), sizeof(status)});
    return status;
  }
  // Sends a command; returns the answer, or -1 when there was none.
  int Command(const Bytes& command, uint16_t index = kControl) {
    queue(index).Chain().Readable(command).Writable(1).Send();
    guest_->Kick(index);
    loop_.RunReady();
    const std::vector<DriverQueue::Used> used = Collect(index);
    return used.size() == 1 && used[0].length == 1 ? used[0].data[0] : -1;
  }

  ManualLoop loop_;
  FakeNetBackend* backend_;
  std::unique_ptr<Net> net_;
  std::unique_ptr<GuestDriver> guest_;
};

class NetTest : public NetFixture, public testing::TestWithParam<uint64_t> {
 protected:
  NetTest() : NetFixture(GetParam()) {}
};

INSTANTIATE_TEST_SUITE_P(Features, NetTest,
                         testing::Values(0, kVirtioEventIndex, kNetMergeable | kVirtioEventIndex,
                                         kVirtioPackedRing,
                                         kVirtioPackedRing | kNetMergeable | kVirtioEventIndex));

// --- Receiving.

TEST_P(NetTest, AFrameGoesIntoABuffer) {
  guest_->Start();
  Offer(1526);

  Arrive(Frame(100));

  const std::vector<DriverQueue::Used> used = Collect();
  ASSERT_THAT(used, SizeIs(1));
  EXPECT_EQ(used[0].length, 100u);
  EXPECT_EQ(Joined(used), Received(Frame(100), 1));
  EXPECT_EQ(guest_->interrupt().queue_signals(kReceive), 1);
}

TEST_P(NetTest, FramesThatCameBeforeTheBuffersWaitOutside) {
  guest_->Start();
  Arrive(Frame(60));
  Arrive(Frame(61));
  EXPECT_THAT(port().arriving, SizeIs(2));

  Offer(1526, 2);

  EXPECT_THAT(Collect(), SizeIs(2));
}

// A full ring must neither freeze nor spin (KE-37).
TEST_P(NetTest, WithoutBuffersThePortIsLeftAloneUntilTheNextKick) {
  guest_->Start();
  Offer(1526);
  for (int i = 0; i < 3; ++i) port().Arrive(Frame(60));
  loop_.RunReady();
  EXPECT_THAT(Collect(), SizeIs(1));
  const int calls = port().receive_calls;

  loop_.RunReady();
  EXPECT_EQ(port().receive_calls, calls);
  Offer(1526, 5);

  EXPECT_THAT(Collect(), SizeIs(2));
}

TEST_P(NetTest, WhileFramesAreAwaitedBuffersNeedNoKick) {
  guest_->Start();
  Offer(1526);

  queue(kReceive).Chain().Writable(1526).Send();

  EXPECT_FALSE(guest_->Kick(kReceive));
}

TEST_P(NetTest, BuffersAreOneStreamHoweverTheyAreCut) {
  guest_->Start();
  queue(kReceive).Chain().Writable(5).Writable(7).Writable(1).Writable(30).Writable(1500).Send();
  guest_->Kick(kReceive);
  loop_.RunReady();

  Arrive(Frame(300));

  EXPECT_EQ(Joined(Collect()), Received(Frame(300), 1));
}

TEST_P(NetTest, ManyFramesTakeSeveralTurns) {
  guest_->Start();
  Offer(1526, 200);
  for (int i = 0; i < 200; ++i) port().Arrive(Frame(60));

  loop_.RunReady();

  EXPECT_THAT(Collect(), SizeIs(200));
  EXPECT_GE(guest_->interrupt().queue_signals(kReceive), 1);
  EXPECT_LE(guest_->interrupt().queue_signals(kReceive), 10);
}

TEST_P(NetTest, BuffersTooSmallForAHeaderGoBackEmpty) {
  guest_->Start();
  Offer(11);
  Offer(1526);

  Arrive(Frame(60));

  const std::vector<DriverQueue::Used> used = Collect();
  ASSERT_THAT(used, SizeIs(2));
  EXPECT_EQ(used[0].length, 0u);
  EXPECT_EQ(used[1].length, 60u);
  EXPECT_EQ(net_->receive_stats(0).bad_buffers, 1u);
}

TEST_P(NetTest, RuntsAreDropped) {
  guest_->Start();
  Offer(1526);

  Arrive(Frame(25));

  EXPECT_THAT(Collect(), IsEmpty());
  EXPECT_EQ(net_->receive_stats(0).failed, 1u);
}

TEST_P(NetTest, FramesLostOutsideAreCounted) {
  guest_->Start();
  Offer(1526);
  port().receive_result = NetResult::kFailed;
  Arrive(Frame(60));
  EXPECT_THAT(Collect(), IsEmpty());

  port().receive_result = NetResult::kDone;
  Arrive(Frame(61));

  EXPECT_EQ(Joined(Collect()), Received(Frame(61), 1));
  EXPECT_EQ(net_->receive_stats(0).failed, 1u);
}

TEST_P(NetTest, APortThatIsGoneIsNotAskedAgain) {
  guest_->Start();
  Offer(1526);
  port().receive_result = NetResult::kGone;
  Arrive(Frame(60));
  const int calls = port().receive_calls;

  loop_.RunReady();
  Offer(1526);

  EXPECT_EQ(port().receive_calls, calls);
}

TEST_P(NetTest, TheLinkIsDownWhileThePortIsGone) {
  guest_->Start();
  Offer(1526);
  EXPECT_EQ(LinkStatus(), kNetLinkUp);
  port().receive_result = NetResult::kGone;
  Arrive(Frame(60));
  port().send_result = NetResult::kGone;
  Transmit(Frame(60));
  EXPECT_EQ(LinkStatus(), 0);
  EXPECT_EQ(guest_->interrupt().config_signals(), 1);
  EXPECT_EQ(net_->transmit_stats(0).failed, 1u);

  port().receive_result = port().send_result = NetResult::kDone;
  backend_->returned();
  loop_.RunReady();

  EXPECT_EQ(LinkStatus(), kNetLinkUp);
  EXPECT_EQ(guest_->interrupt().config_signals(), 2);
  EXPECT_THAT(Collect(), SizeIs(1));
  Transmit(Frame(60));
  EXPECT_THAT(port().sent, SizeIs(1));
}

TEST_P(NetTest, AFrameThatWaitsIsAbandonedWhenThePortReturns) {
  guest_->Start();
  port().SetBusy(true);
  Transmit(Frame(60));
  Transmit(Frame(61));
  EXPECT_THAT(Collect(kTransmit), IsEmpty());

  port().SetBusy(false);
  backend_->returned();
  loop_.RunReady();

  EXPECT_EQ(port().abandoned, 1);
  EXPECT_THAT(port().sent, ElementsAre(Frame(61)));
  EXPECT_THAT(Collect(kTransmit), SizeIs(2));
}

TEST_P(NetTest, UnusedBuffersAreBackInTheRingAfterAStop) {
  guest_->Start();
  Offer(1526, 3);
  Arrive(Frame(60));
  ASSERT_THAT(Collect(), SizeIs(1));

  const QueuePosition position = net_->StopQueue(kReceive).value();
  port().Arrive(Frame(70));
  port().Arrive(Frame(71));
  loop_.RunReady();
  EXPECT_THAT(Collect(), IsEmpty());
  guest_->StartQueue(kReceive, position);
  loop_.RunReady();

  const std::vector<DriverQueue::Used> used = Collect();
  ASSERT_THAT(used, SizeIs(2));
  EXPECT_EQ(used[0].length, 70u);
  EXPECT_EQ(used[1].length, 71u);
}

TEST_P(NetTest, ResetForgetsTheBuffers) {
  guest_->Start();
  Offer(1526, 3);
  net_->Reset();

  guest_->Start();
  Arrive(Frame(60));
  EXPECT_THAT(Collect(), IsEmpty());
  Offer(1526);

  EXPECT_THAT(Collect(), SizeIs(1));
}

TEST_P(NetTest, ABrokenReceiveQueueIsReported) {
  guest_->Start();
  guest_->Scribble(kReceive, 0xFF);
  guest_->kick(kReceive).Signal();
  loop_.RunReady();

  Arrive(Frame(60));

  // A packed ring of such bytes is empty.
  EXPECT_EQ(guest_->interrupt().broken(kReceive), (GetParam() & kVirtioPackedRing) != 0 ? 0 : 1);
}

// --- Without mergeable buffers.

class SingleBufferTest : public NetFixture, public testing::TestWithParam<uint64_t> {
 protected:
  SingleBufferTest() : NetFixture(GetParam()) {}
};

INSTANTIATE_TEST_SUITE_P(Features, SingleBufferTest, testing::Values(0, kVirtioPackedRing));

TEST_P(SingleBufferTest, FramesThatDoNotFitAreDroppedAndTheBufferStays) {
  guest_->Start();
  Offer(200, 2);

  Arrive(Frame(300));
  Arrive(Frame(200));

  const std::vector<DriverQueue::Used> used = Collect();
  ASSERT_THAT(used, SizeIs(1));
  EXPECT_EQ(used[0].length, 200u);
  EXPECT_EQ(net_->receive_stats(0).too_long, 1u);
}

TEST_P(SingleBufferTest, TheLargestFrameFits) {
  guest_->Start();
  Offer(65562);

  Arrive(Frame(65562));

  EXPECT_EQ(Joined(Collect()), Received(Frame(65562), 1));
}

// --- With mergeable buffers.

class MergeableTest : public NetFixture, public testing::TestWithParam<uint64_t> {
 protected:
  MergeableTest() : NetFixture(GetParam() | kNetMergeable) {}
};

INSTANTIATE_TEST_SUITE_P(Features, MergeableTest,
                         testing::Values(0, kVirtioEventIndex, kVirtioPackedRing));

TEST_P(MergeableTest, ALargeFrameTakesSeveralBuffers) {
  guest_->Start();
  Offer(1000, 10);

  Arrive(Frame(3500));

  const std::vector<DriverQueue::Used> used = Collect();
  ASSERT_THAT(used, SizeIs(4));
  EXPECT_EQ(used[3].length, 500u);
  EXPECT_EQ(Joined(used), Received(Frame(3500), 4));
}

TEST_P(MergeableTest, LargeFramesAreExpectedAfterOne) {
  guest_->Start();
  Offer(1000, 100);

  for (int i = 0; i < 5; ++i) Arrive(Frame(9000));
  Arrive(Frame(60));

  Bytes expected;
  for (int i = 0; i < 5; ++i) {
    const Bytes frame = Received(Frame(9000), 9);
    expected.insert(expected.end(), frame.begin(), frame.end());
  }
  const Bytes last = Received(Frame(60), 1);
  expected.insert(expected.end(), last.begin(), last.end());
  EXPECT_EQ(Joined(Collect()), expected);
}

// Buffers of odd sizes, the last of them exactly full (KE-33).
TEST_P(MergeableTest, OddBuffers) {
  guest_->Start();
  for (const uint32_t size : {18u, 19u, 21u, 37u, 5000u, 18u, 100u, 23u}) {
    queue(kReceive).Chain().Writable(size).Send();
  }
  guest_->Kick(kReceive);
  loop_.RunReady();

  Arrive(Frame(18 + 19 + 21 + 37));
  Arrive(Frame(5000 + 1));
  Arrive(Frame(123));

  std::vector<DriverQueue::Used> used = Collect();
  ASSERT_THAT(used, SizeIs(8));
  EXPECT_EQ(Joined({used[0], used[1], used[2], used[3]}), Received(Frame(95), 4));
  EXPECT_EQ(Joined({used[4], used[5]}), Received(Frame(5001), 2));
  EXPECT_EQ(Joined({used[6], used[7]}), Received(Frame(123), 2));
}

TEST_P(MergeableTest, NothingOfAFrameIsSeenBeforeAllOfItIsThere) {
  guest_->Start();
  Offer(1000, 2);

  Arrive(Frame(3500));
  EXPECT_THAT(Collect(), IsEmpty());
  Offer(1000, 2);

  EXPECT_EQ(Joined(Collect()), Received(Frame(3500), 4));
}

TEST_P(MergeableTest, AFrameDoesNotWaitForBuffersForever) {
  guest_->Start();
  Offer(1000, 2);
  Arrive(Frame(3500));
  Arrive(Frame(60));
  EXPECT_THAT(Collect(), IsEmpty());

  loop_.Advance(NetReceiver::kPatience);

  EXPECT_EQ(Joined(Collect()), Received(Frame(60), 1));
  EXPECT_EQ(net_->receive_stats(0).too_long, 1u);
}

TEST_P(MergeableTest, TheLargestFrameInSmallBuffers) {
  guest_->Start();
  Offer(300, 250);

  Arrive(Frame(65565));

  const std::vector<DriverQueue::Used> used = Collect();
  ASSERT_THAT(used, SizeIs(219));
  EXPECT_EQ(Joined(used), Received(Frame(65565), 219));
}

TEST_P(MergeableTest, StopWithAFrameWaitingDropsTheFrameOnly) {
  guest_->Start();
  Offer(1000, 2);
  Arrive(Frame(3500));

  const QueuePosition position = net_->StopQueue(kReceive).value();
  guest_->StartQueue(kReceive, position);
  Arrive(Frame(1500));

  EXPECT_EQ(Joined(Collect()), Received(Frame(1500), 2));
}

// It goes back after them, or all of them stay where they were.
TEST_P(MergeableTest, ABadBufferWaitsForTheOnesBeforeIt) {
  guest_->Start();
  Offer(1000);
  Arrive(Frame(3500));
  Offer(4);
  EXPECT_THAT(Collect(), IsEmpty());

  const QueuePosition position = net_->StopQueue(kReceive).value();
  guest_->StartQueue(kReceive, position);
  Arrive(Frame(500));

  const std::vector<DriverQueue::Used> used = Collect();
  ASSERT_THAT(used, SizeIs(2));
  EXPECT_EQ(Joined({used[0]}), Received(Frame(500), 1));
  EXPECT_EQ(used[1].length, 0u);
}

// --- Transmitting.

TEST_P(NetTest, AFrameIsSentAsItIs) {
  guest_->Start();

  Transmit(Frame(100));

  EXPECT_THAT(port().sent, ElementsAre(Frame(100)));
  EXPECT_THAT(Collect(kTransmit), SizeIs(1));
}

TEST_P(NetTest, AFrameMayBeCutAnyhow) {
  guest_->Start();
  const Bytes frame = Frame(100);
  queue(kTransmit)
      .Chain()
      .Readable(absl::MakeConstSpan(frame).first(3))
      .Readable(absl::MakeConstSpan(frame).subspan(3, 20))
      .Readable(absl::MakeConstSpan(frame).subspan(23))
      .Send();
  guest_->Kick(kTransmit);
  loop_.RunReady();

  EXPECT_THAT(port().sent, ElementsAre(frame));
}

TEST_P(NetTest, FramesThatAreNoneAreDropped) {
  guest_->Start();

  Transmit(Frame(25));     // No room for an Ethernet header,
  Transmit(Bytes(1));      // or for one of virtio;
  Transmit(Bytes(65566));  // longer than any.
  Transmit(Frame(26));

  EXPECT_THAT(port().sent, ElementsAre(Frame(26)));
  EXPECT_THAT(Collect(kTransmit), SizeIs(4));
  EXPECT_EQ(net_->transmit_stats(0).bad, 3u);
}

TEST_P(NetTest, ABusyPortGetsTheFrameLater) {
  guest_->Start();
  port().SetBusy(true);
  Transmit(Frame(60));
  Transmit(Frame(61));
  EXPECT_THAT(Collect(kTransmit), IsEmpty());

  port().SetBusy(false);
  loop_.RunReady();

  EXPECT_THAT(port().sent, ElementsAre(Frame(60), Frame(61)));
  EXPECT_THAT(Collect(kTransmit), SizeIs(2));
  EXPECT_GE(guest_->interrupt().queue_signals(kTransmit), 1);
}

TEST_P(NetTest, StopWhileThePortIsBusyDropsTheFrame) {
  guest_->Start();
  port().SetBusy(true);
  Transmit(Frame(60));

  ASSERT_TRUE(net_->StopQueue(kTransmit).ok());
  port().SetBusy(false);
  loop_.RunReady();

  EXPECT_THAT(Collect(kTransmit), SizeIs(1));
  EXPECT_THAT(port().sent, IsEmpty());
}

class TransmitWaitTest : public NetFixture, public testing::Test {
 protected:
  static constexpr absl::Duration kWait = absl::Microseconds(50);

  TransmitWaitTest() : NetFixture(kVirtioEventIndex, {.transmit_wait = kWait}) { guest_->Start(); }
  // Transmit kicks only when the device wants it.
  size_t Sent() { return port().sent.size(); }
};

TEST_F(TransmitWaitTest, ABurstIsKickedForOnce) {
  Transmit(Frame(60));
  EXPECT_EQ(Sent(), 1u);
  for (size_t sent = 1; sent < 7; sent += 2) {
    Transmit(Frame(60));
    Transmit(Frame(60));
    EXPECT_EQ(Sent(), sent);

    loop_.Advance(kWait);

    EXPECT_EQ(Sent(), sent + 2);
    EXPECT_THAT(Collect(kTransmit), testing::Not(IsEmpty()));
  }
}

TEST_F(TransmitWaitTest, SingleFramesAreKickedForAfterOneAttempt) {
  Transmit(Frame(60));
  Transmit(Frame(60));
  loop_.Advance(kWait);
  ASSERT_EQ(Sent(), 2u);

  for (size_t i = 3; i <= 2 + 16; ++i) {
    Transmit(Frame(60));
    ASSERT_EQ(Sent(), i);
  }

  // The next attempt.
  Transmit(Frame(60));
  EXPECT_EQ(Sent(), 18u);
  loop_.Advance(kWait);
  EXPECT_EQ(Sent(), 19u);
}

TEST_F(TransmitWaitTest, NothingIsAwaitedAfterTheQueueStopped) {
  Transmit(Frame(60));
  Transmit(Frame(60));

  ASSERT_TRUE(net_->StopQueue(kTransmit).ok());
  loop_.Advance(2 * kWait);

  EXPECT_EQ(Sent(), 1u);
}

TEST_P(NetTest, FramesThatThePortRefusesAreCounted) {
  guest_->Start();
  port().send_result = NetResult::kFailed;

  Transmit(Frame(60));

  EXPECT_THAT(Collect(kTransmit), SizeIs(1));
  EXPECT_EQ(net_->transmit_stats(0).failed, 1u);
}

// --- Configuration and features.

TEST(NetDeviceTest, OffersWhatItsBackendCanDo) {
  ManualLoop loop;
  const Net plain(std::make_unique<FakeNetBackend>(1, 0, std::nullopt), {.mergeable = false}, loop);
  const Net full(std::make_unique<FakeNetBackend>(3), {.mac = kMac, .packed = true}, loop);

  EXPECT_EQ(plain.features(), kVirtioVersion1 | kVirtioEventIndex | kNetStatus | kNetControlQueue |
                                  kNetControlReceive | kNetControlMac);
  EXPECT_EQ(full.features(), plain.features() | FakeNetBackend::kAllOffloads | kNetMergeable |
                                 kNetGuestOffloads | kNetMac | kNetMultiqueue | kNetMtu |
                                 kVirtioPackedRing);
  EXPECT_THAT(plain.max_queue_sizes(), ElementsAre(256, 256, 256));
  EXPECT_THAT(full.max_queue_sizes(), AllOf(SizeIs(7), Each(256)));
  EXPECT_EQ(full.device_id(), 1u);
}

TEST(NetDeviceTest, ConfigurationIsReadAnyhow) {
  ManualLoop loop;
  Net net(std::make_unique<FakeNetBackend>(3, 0, 9000), {.mac = kMac}, loop);
  Bytes all(20, 0);
  Bytes middle(3, 0);
  Bytes beyond(4, 0);

  net.ReadConfig(0, absl::MakeSpan(all));
  net.ReadConfig(5, absl::MakeSpan(middle));
  net.ReadConfig(12, absl::MakeSpan(beyond));

  EXPECT_THAT(all,
              ElementsAre(0x52, 0x54, 0, 1, 2, 3, 1, 0, 3, 0, 0x28, 0x23, 0, 0, 0, 0, 0, 0, 0, 0));
  EXPECT_THAT(middle, ElementsAre(3, 1, 0));
  EXPECT_THAT(beyond, Each(0));
}

// --- Control.

class ControlTest : public NetFixture, public testing::Test {
 protected:
  ControlTest()
      : NetFixture(kNetControlReceive | kNetControlMac | kNetGuestOffloads | kNetGuestChecksum |
                   kNetGuestTso4) {
    guest_->Start();
    Offer(1526, 10);
  }
  size_t Accepted(const MacAddress& destination) {
    Arrive(Frame(60, destination));
    return Collect().size();
  }
};

TEST_F(ControlTest, FilterFollowsTheDriver) {
  EXPECT_EQ(Accepted(kOther), 1u);
  EXPECT_EQ(Command({0, 0, 0}), kNetAckOk);  // Not promiscuous.
  EXPECT_EQ(Accepted(kOther), 0u);
  EXPECT_EQ(Accepted(kMac), 1u);
  EXPECT_EQ(net_->receive_stats(0).filtered, 1u);
  EXPECT_EQ(Accepted({0x33, 0x33, 0, 0, 0, 1}), 0u);
  EXPECT_EQ(Command({0, 1, 1}), kNetAckOk);  // All multicast.
  EXPECT_EQ(Accepted({0x33, 0x33, 0, 0, 0, 1}), 1u);
  EXPECT_EQ(Command({0, 0, 1}), kNetAckOk);
  EXPECT_EQ(Accepted(kOther), 1u);
}

TEST_F(ControlTest, MacTable) {
  ASSERT_EQ(Command({0, 0, 0}), kNetAckOk);

  EXPECT_EQ(Command({1, 0, 1, 0, 0, 0, 0x52, 0x54, 0, 9, 9, 9, 1, 0, 0, 0, 0x33, 0x33, 0, 0, 0, 1}),
            kNetAckOk);

  EXPECT_EQ(Accepted(kOther), 1u);
  EXPECT_EQ(Accepted({0x33, 0x33, 0, 0, 0, 1}), 1u);
  EXPECT_EQ(Accepted({0x33, 0x33, 0, 0, 0, 2}), 0u);
}

TEST_F(ControlTest, LongMacTablesLetAllThrough) {
  ASSERT_EQ(Command({0, 0, 0}), kNetAckOk);
  Bytes command = {1, 0, 65, 0, 0, 0};
  command.resize(command.size() + 65 * 6);
  command.resize(command.size() + 4);

  EXPECT_EQ(Command(command), kNetAckOk);

  EXPECT_EQ(Accepted(kOther), 1u);
  EXPECT_EQ(Accepted({0x33, 0x33, 0, 0, 0, 1}), 0u);
}

TEST_F(ControlTest, LengthsThatAreLiesAreErrorsAndChangeNothing) {
  ASSERT_EQ(Command({0, 0, 0}), kNetAckOk);

  EXPECT_EQ(Command({1, 0, 0xFF, 0xFF, 0xFF, 0xFF, 1, 2, 3}), kNetAckError);
  EXPECT_EQ(Command({1, 0, 0xAB, 0xAA, 0xAA, 0x2A, 1, 2}), kNetAckError);
  EXPECT_EQ(Command({1, 0, 1, 0, 0, 0, 0x52, 0x54, 0, 9, 9, 9, 2, 0, 0, 0, 1}), kNetAckError);
  EXPECT_EQ(Command({1, 0, 0, 0}), kNetAckError);
  EXPECT_EQ(Command({1, 1, 1, 2, 3}), kNetAckError);
  EXPECT_EQ(Command({0, 0}), kNetAckError);
  EXPECT_EQ(Command({5, 0, 1, 0, 0}), kNetAckError);
  EXPECT_EQ(Command({4}), kNetAckError);
  EXPECT_EQ(Command({9, 9, 9}), kNetAckError);
  EXPECT_EQ(Command({0, 7, 1}), kNetAckError);
  EXPECT_EQ(Command({1, 7, 1}), kNetAckError);

  EXPECT_EQ(Accepted(kOther), 0u);
  EXPECT_EQ(Accepted(kMac), 1u);
}

TEST_F(ControlTest, ACommandWithoutRoomForTheAnswerIsObeyed) {
  queue(kControl).Chain().Readable({0, 0, 0}).Send();
  guest_->Kick(kControl);
  loop_.RunReady();

  EXPECT_EQ(Collect(kControl)[0].length, 0u);
  EXPECT_EQ(Accepted(kOther), 0u);
}

TEST_F(ControlTest, AddressShowsInTheConfigurationUntilReset) {
  ASSERT_EQ(Command({0, 0, 0}), kNetAckOk);

  EXPECT_EQ(Command({1, 1, 0x52, 0x54, 0, 9, 9, 9}), kNetAckOk);

  Bytes mac(6);
  net_->ReadConfig(0, absl::MakeSpan(mac));
  EXPECT_THAT(mac, ElementsAre(0x52, 0x54, 0, 9, 9, 9));
  EXPECT_EQ(Accepted(kOther), 1u);
  EXPECT_EQ(Accepted(kMac), 0u);
  net_->Reset();
  net_->ReadConfig(0, absl::MakeSpan(mac));
  EXPECT_THAT(mac, ElementsAre(0x52, 0x54, 0, 1, 2, 3));
}

TEST_F(ControlTest, OffloadsAreWhatWasNegotiatedUntilTheyAreSet) {
  EXPECT_EQ(backend_->guest_offloads, kNetGuestChecksum | kNetGuestTso4);

  EXPECT_EQ(Command({5, 0, 2, 0, 0, 0, 0, 0, 0, 0}), kNetAckOk);
  EXPECT_EQ(backend_->guest_offloads, kNetGuestChecksum);
  // UFO was not negotiated.
  EXPECT_EQ(Command({5, 0, 2, 4, 0, 0, 0, 0, 0, 0}), kNetAckError);
  EXPECT_EQ(backend_->guest_offloads, kNetGuestChecksum);
}

TEST_F(ControlTest, RefusalOfTheHostIsAnError) {
  backend_->status = absl::UnavailableError("no");

  EXPECT_EQ(Command({5, 0, 2, 0, 0, 0, 0, 0, 0, 0}), kNetAckError);
}

class PlainControlTest : public NetFixture, public testing::Test {
 protected:
  PlainControlTest() : NetFixture(0) { guest_->Start(); }
};

TEST_F(PlainControlTest, WhatWasNotNegotiatedIsAnError) {
  EXPECT_EQ(Command({0, 0, 0}), kNetAckError);
  EXPECT_EQ(Command({1, 0, 0, 0, 0, 0, 0, 0, 0, 0}), kNetAckError);
  EXPECT_EQ(Command({1, 1, 1, 2, 3, 4, 5, 6}), kNetAckError);
  EXPECT_EQ(Command({4, 0, 1, 0}), kNetAckError);
  EXPECT_EQ(Command({5, 0, 0, 0, 0, 0, 0, 0, 0, 0}), kNetAckError);
}

// --- Several pairs.

class PairsTest : public NetFixture, public testing::Test {
 protected:
  PairsTest() : NetFixture(kNetMultiqueue, {.mac = kMac}, 3) {
    guest_->Start();
    for (uint16_t pair = 0; pair < 3; ++pair) {
      queue(static_cast<uint16_t>(2 * pair)).Chain().Writable(1526).Send();
      guest_->Kick(static_cast<uint16_t>(2 * pair));
    }
    loop_.RunReady();
  }
  static constexpr uint16_t kLast = 6;
};

TEST_F(PairsTest, OnePairAtFirst) {
  backend_->fake_port(1).Arrive(Frame(60));
  loop_.RunReady();

  EXPECT_EQ(backend_->active_pairs, 1u);
  EXPECT_THAT(Collect(2), IsEmpty());
}

TEST_F(PairsTest, FurtherPairsBeginWhenTheDriverSaysSo) {
  EXPECT_EQ(Command({4, 0, 3, 0}, kLast), kNetAckOk);
  EXPECT_EQ(backend_->active_pairs, 3u);
  for (size_t pair = 0; pair < 3; ++pair) backend_->fake_port(pair).Arrive(Frame(60));
  loop_.RunReady();

  EXPECT_THAT(Collect(0), SizeIs(1));
  EXPECT_THAT(Collect(2), SizeIs(1));
  EXPECT_THAT(Collect(4), SizeIs(1));
}

TEST_F(PairsTest, PairsMayRestAgain) {
  ASSERT_EQ(Command({4, 0, 3, 0}, kLast), kNetAckOk);

  EXPECT_EQ(Command({4, 0, 2, 0}, kLast), kNetAckOk);
  backend_->fake_port(2).Arrive(Frame(60));
  loop_.RunReady();
  EXPECT_THAT(Collect(4), IsEmpty());
  queue(5).Chain().Readable(Frame(60)).Send();
  guest_->kick(5).Signal();
  loop_.RunReady();

  EXPECT_THAT(backend_->fake_port(2).sent, IsEmpty());
  EXPECT_EQ(Command({4, 0, 3, 0}, kLast), kNetAckOk);
  loop_.RunReady();
  EXPECT_THAT(Collect(4), SizeIs(1));
}

TEST_F(PairsTest, NumbersOutOfBoundsAreErrors) {
  EXPECT_EQ(Command({4, 0, 0, 0}, kLast), kNetAckError);
  EXPECT_EQ(Command({4, 0, 4, 0}, kLast), kNetAckError);
  EXPECT_EQ(Command({4, 0, 1}, kLast), kNetAckError);
  EXPECT_EQ(Command({4, 1, 1, 0}, kLast), kNetAckError);
}

TEST_F(PairsTest, TransmitsOnAnyActivePair) {
  ASSERT_EQ(Command({4, 0, 2, 0}, kLast), kNetAckOk);
  queue(3).Chain().Readable(Frame(60)).Send();
  guest_->Kick(3);
  loop_.RunReady();

  EXPECT_THAT(backend_->fake_port(1).sent, ElementsAre(Frame(60)));
}

class SimpleDriverTest : public NetFixture, public testing::Test {
 protected:
  SimpleDriverTest() : NetFixture(kNetControlMac, {.mac = kMac}, 3) { guest_->Start(); }
};

// Virtio 1.2, 5.1.2.
TEST_F(SimpleDriverTest, ControlFollowsTheFirstPairOfDriversWithoutMultiqueue) {
  EXPECT_EQ(Command({1, 1, 1, 2, 3, 4, 5, 6}, 2), kNetAckOk);
  EXPECT_EQ(Command({1, 1, 1, 2, 3, 4, 5, 6}, 6), -1);
}

// --- State.

TEST_F(ControlTest, StateSurvives) {
  ASSERT_EQ(Command({0, 0, 0}), kNetAckOk);
  ASSERT_EQ(Command({1, 1, 0x52, 0x54, 0, 9, 9, 9}), kNetAckOk);
  ASSERT_EQ(Command({5, 0, 2, 0, 0, 0, 0, 0, 0, 0}), kNetAckOk);
  const std::string state = net_->Save().value();
  net_->Reset();

  ASSERT_TRUE(net_->Restore(state).ok());
  EXPECT_EQ(net_->Save().value(), state);
  guest_->Start();
  Offer(1526, 3);

  EXPECT_EQ(Accepted(kOther), 1u);
  EXPECT_EQ(Accepted(kMac), 0u);
  EXPECT_EQ(backend_->guest_offloads, kNetGuestChecksum);
}

TEST(NetStateTest, GarbageIsRefused) {
  ManualLoop loop;
  Net net(std::make_unique<FakeNetBackend>(1, 0), {.mac = kMac}, loop);
  const std::string good = net.Save().value();

  EXPECT_FALSE(net.Restore("").ok());
  EXPECT_FALSE(net.Restore("\xFF\xFF\xFF").ok());
  EXPECT_FALSE(net.Restore(good + "\x22\x01z").ok());                  // An address of one byte.
  EXPECT_FALSE(net.Restore(good + "\x2A\x07zzzzzzz").ok());            // A table of 7 bytes.
  EXPECT_FALSE(net.Restore(good + "\x48\x02").ok());                   // Two pairs.
  EXPECT_FALSE(net.Restore(good + "\x50\x02").ok());                   // Checksums.
  EXPECT_FALSE(net.Restore(good + "\x60\x02").ok());                   // A field that nobody knows.
  EXPECT_FALSE(net.Restore(std::string("\x08\x01\x48\x01", 4)).ok());  // Much is missing.
  EXPECT_EQ(net.Save().value(), good);
}

}  // namespace
}  // namespace touchstone
