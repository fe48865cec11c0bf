#include "devices/virtio/vsock/vsock.h"

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/endian.h"
#include "devices/virtio/core/virtio_features.h"
#include "devices/virtio/vsock/vsock_testing.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace touchstone {
namespace {

using testing::ElementsAre;
using testing::SizeIs;

constexpr VsockConnection::Ports kPorts = {.host = 80, .guest = 1000};

class VsockTest : public testing::Test {
 protected:
  VsockTest() { bench_.Start(); }

  // The next packet's operation, kInvalid when there is none.
  VsockOp NextOp() {
    const std::optional<VsockPacket> packet = bench_.Receive();
    return packet.has_value() ? packet->op() : VsockOp::kInvalid;
  }
  // A connection that the guest has opened.
  std::shared_ptr<FakeVsockEnd> Connected(VsockConnection::Ports ports = kPorts) {
    FakeVsockHost::Program& program = bench_.host().Listen(ports.host);
    bench_.Send(VsockBench::Packet(VsockOp::kRequest, ports));
    NextOp();
    return program.streams.back();
  }
  // A connection that the host has opened, and the device's port of it.
  std::shared_ptr<FakeVsockEnd> ConnectedByHost(uint32_t guest_port, uint32_t& host_port) {
    std::shared_ptr<FakeVsockEnd> end = bench_.host().ConnectTo(guest_port);
    host_port = bench_.Receive()->header.src_port;
    bench_.Send(VsockBench::Packet(VsockOp::kResponse, {.host = host_port, .guest = guest_port}));
    return end;
  }
  void SendShutdown(uint32_t flags) {
    VsockHeader header = VsockBench::Packet(VsockOp::kShutdown, kPorts);
    header.flags = flags;
    bench_.Send(header);
  }

  VsockBench bench_;
};

// --- The device.

TEST_F(VsockTest, IsWhatTheDriverExpects) {
  EXPECT_EQ(bench_.device().device_id(), 19u);
  EXPECT_THAT(bench_.device().max_queue_sizes(), ElementsAre(256, 256, 256));
  EXPECT_EQ(bench_.device().features(),
            kVirtioVersion1 | kVirtioEventIndex | kVirtioIndirectDescriptors);
}

TEST_F(VsockTest, ConfigurationIsTheAddress) {
  uint8_t all[10] = {};
  uint8_t tail[4] = {};
  uint8_t outside[1] = {};

  bench_.device().ReadConfig(0, absl::MakeSpan(all));
  bench_.device().ReadConfig(6, absl::MakeSpan(tail));
  bench_.device().ReadConfig(8, absl::MakeSpan(outside));

  EXPECT_THAT(all, ElementsAre(VsockBench::kGuestCid, 0, 0, 0, 0, 0, 0, 0, 0, 0));
  EXPECT_THAT(tail, testing::Each(0));
  EXPECT_THAT(outside, testing::Each(0));
}

// --- Opening.

TEST_F(VsockTest, GuestConnects) {
  FakeVsockHost::Program& program = bench_.host().Listen(80);

  bench_.Send(VsockBench::Packet(VsockOp::kRequest, kPorts));
  const std::optional<VsockPacket> answer = bench_.Receive();

  ASSERT_TRUE(answer.has_value());
  EXPECT_EQ(answer->op(), VsockOp::kResponse);
  EXPECT_EQ(answer->header.src_cid, kVsockHostCid);
  EXPECT_EQ(answer->header.dst_cid, VsockBench::kGuestCid);
  EXPECT_EQ(answer->header.src_port, 80u);
  EXPECT_EQ(answer->header.dst_port, 1000u);
  EXPECT_EQ(answer->header.type, kVsockTypeStream);
  EXPECT_EQ(answer->header.buf_alloc, VsockMuxer::kBufferSize);
  EXPECT_THAT(program.streams, SizeIs(1));
}

TEST_F(VsockTest, GuestIsRefusedWhereNobodyListens) {
  bench_.Send(VsockBench::Packet(VsockOp::kRequest, kPorts));

  EXPECT_EQ(NextOp(), VsockOp::kReset);
  EXPECT_EQ(bench_.device().connections(), 0u);
}

TEST_F(VsockTest, BusyListenerIsAskedAgain) {
  FakeVsockHost::Program& program = bench_.host().Listen(80);
  program.busy = true;
  bench_.Send(VsockBench::Packet(VsockOp::kRequest, kPorts));
  EXPECT_EQ(NextOp(), VsockOp::kInvalid);
  program.busy = false;

  bench_.loop().Advance(VsockMuxer::kRetryInterval);

  EXPECT_EQ(NextOp(), VsockOp::kResponse);
}

TEST_F(VsockTest, ListenerThatStaysBusyRefuses) {
  bench_.host().Listen(80).busy = true;
  bench_.Send(VsockBench::Packet(VsockOp::kRequest, kPorts));

  bench_.loop().Advance(VsockMuxer::kMaxTries * VsockMuxer::kRetryInterval);

  EXPECT_EQ(NextOp(), VsockOp::kReset);
}

TEST_F(VsockTest, GuestMayGiveUpWaitingForABusyListener) {
  bench_.host().Listen(80).busy = true;
  bench_.Send(VsockBench::Packet(VsockOp::kRequest, kPorts));

  bench_.Send(VsockBench::Packet(VsockOp::kReset, kPorts));
  bench_.loop().Advance(absl::Minutes(1));

  EXPECT_EQ(NextOp(), VsockOp::kInvalid);
  EXPECT_EQ(bench_.device().connections(), 0u);
}

TEST_F(VsockTest, HostConnects) {
  const std::shared_ptr<FakeVsockEnd> end = bench_.host().ConnectTo(22);
  const std::optional<VsockPacket> request = bench_.Receive();
  ASSERT_TRUE(request.has_value());
  EXPECT_EQ(request->op(), VsockOp::kRequest);
  EXPECT_EQ(request->header.dst_port, 22u);
  EXPECT_EQ(end->accepted_port(), 0u);

  bench_.Send(
      VsockBench::Packet(VsockOp::kResponse, {.host = request->header.src_port, .guest = 22}));

  EXPECT_EQ(end->accepted_port(), request->header.src_port);
}

TEST_F(VsockTest, HostIsClosedWhereTheGuestRefuses) {
  const std::shared_ptr<FakeVsockEnd> end = bench_.host().ConnectTo(22);
  const std::optional<VsockPacket> request = bench_.Receive();
  ASSERT_TRUE(request.has_value());

  bench_.Send(VsockBench::Packet(VsockOp::kReset, {.host = request->header.src_port, .guest = 22}));

  EXPECT_TRUE(end->device_closed());
  EXPECT_EQ(NextOp(), VsockOp::kInvalid);
}

TEST_F(VsockTest, HostIsClosedWhenTheGuestNeverAnswers) {
  const std::shared_ptr<FakeVsockEnd> end = bench_.host().ConnectTo(22);
  EXPECT_EQ(NextOp(), VsockOp::kRequest);

  bench_.loop().Advance(VsockMuxer::kRequestTimeout);

  EXPECT_TRUE(end->device_closed());
  EXPECT_EQ(NextOp(), VsockOp::kReset);
  EXPECT_EQ(bench_.device().stats().timeouts, 1u);
}

TEST_F(VsockTest, RequestThatTheGuestNeverSawEndsSilently) {
  const std::shared_ptr<FakeVsockEnd> end = bench_.host().ConnectTo(22);

  bench_.loop().Advance(VsockMuxer::kRequestTimeout);

  EXPECT_TRUE(end->device_closed());
  EXPECT_EQ(NextOp(), VsockOp::kInvalid);
}

TEST_F(VsockTest, ConnectionsOfTheHostHavePortsOfTheirOwn) {
  uint32_t first = 0;
  uint32_t second = 0;
  const std::shared_ptr<FakeVsockEnd> end1 = ConnectedByHost(22, first);
  const std::shared_ptr<FakeVsockEnd> end2 = ConnectedByHost(22, second);

  EXPECT_NE(first, second);
  EXPECT_EQ(bench_.device().connections(), 2u);
}

// --- Data.

TEST_F(VsockTest, DataReachesTheHost) {
  const std::shared_ptr<FakeVsockEnd> end = Connected();

  bench_.SendData(kPorts, "hello");

  EXPECT_EQ(end->Read(), "hello");
}

TEST_F(VsockTest, DataReachesTheGuest) {
  const std::shared_ptr<FakeVsockEnd> end = Connected();

  end->Write("hello");
  const std::optional<VsockPacket> packet = bench_.Receive();

  ASSERT_TRUE(packet.has_value());
  EXPECT_EQ(packet->op(), VsockOp::kReadWrite);
  EXPECT_EQ(packet->header.length, 5u);
  EXPECT_EQ(packet->payload, "hello");
}

TEST_F(VsockTest, DataIsCutIntoTheGuestsBuffers) {
  const std::shared_ptr<FakeVsockEnd> end = Connected();
  end->Write("abcdefgh");

  bench_.GiveBuffer(sizeof(VsockHeader) + 5);
  bench_.GiveBuffer(sizeof(VsockHeader) + 5);

  EXPECT_EQ(bench_.TakePacket()->payload, "abcde");
  EXPECT_EQ(bench_.TakePacket()->payload, "fgh");
}

TEST_F(VsockTest, ConnectionsTakeTurns) {
  const std::shared_ptr<FakeVsockEnd> first = Connected({.host = 80, .guest = 1});
  const std::shared_ptr<FakeVsockEnd> second = Connected({.host = 80, .guest = 2});
  first->WriteEndlessly();
  second->WriteEndlessly();

  std::vector<uint32_t> ports;
  for (int i = 0; i < 4; ++i) ports.push_back(bench_.Receive()->header.dst_port);

  EXPECT_THAT(ports, ElementsAre(1, 2, 1, 2));
}

TEST_F(VsockTest, OrderIsKeptWhenTheHostIsSlow) {
  const std::shared_ptr<FakeVsockEnd> end = Connected();
  end->SetCapacity(3);
  bench_.SendData(kPorts, "abcde");
  bench_.SendData(kPorts, "fgh");

  std::string got;
  for (int i = 0; i < 4; ++i) {
    got += end->Read();
    bench_.loop().RunReady();
  }

  EXPECT_EQ(got, "abcdefgh");
}

// --- Credit.

TEST_F(VsockTest, GuestGetsNoMoreThanItHasRoomFor) {
  const std::shared_ptr<FakeVsockEnd> end = Connected();
  end->WriteEndlessly();
  uint64_t received = 0;
  std::optional<VsockPacket> packet = bench_.Receive();
  while (packet.has_value() && packet->op() == VsockOp::kReadWrite) {
    received += packet->payload.size();
    packet = bench_.Receive();
  }

  EXPECT_EQ(received, VsockBench::kGuestBuffer);
  // Once, however long it takes.
  EXPECT_EQ(packet->op(), VsockOp::kCreditRequest);
  EXPECT_EQ(NextOp(), VsockOp::kInvalid);

  VsockHeader update = VsockBench::Packet(VsockOp::kCreditUpdate, kPorts);
  update.fwd_cnt = 100;
  bench_.Send(update);
  packet = bench_.Receive();
  ASSERT_TRUE(packet.has_value());
  EXPECT_EQ(packet->payload.size(), 100u);
}

TEST_F(VsockTest, HostThatReadsGivesCreditBack) {
  const std::shared_ptr<FakeVsockEnd> end = Connected();
  const std::string half(VsockMuxer::kBufferSize / 4, 'x');

  bench_.SendData(kPorts, half);
  EXPECT_EQ(NextOp(), VsockOp::kInvalid);
  bench_.SendData(kPorts, half);
  const std::optional<VsockPacket> update = bench_.Receive();

  ASSERT_TRUE(update.has_value());
  EXPECT_EQ(update->op(), VsockOp::kCreditUpdate);
  EXPECT_EQ(update->header.fwd_cnt, VsockMuxer::kBufferSize / 2);
}

TEST_F(VsockTest, CreditRequestIsAnswered) {
  const std::shared_ptr<FakeVsockEnd> end = Connected();
  end->SetCapacity(2);
  bench_.SendData(kPorts, "abcde");

  bench_.Send(VsockBench::Packet(VsockOp::kCreditRequest, kPorts));
  const std::optional<VsockPacket> update = bench_.Receive();

  ASSERT_TRUE(update.has_value());
  EXPECT_EQ(update->op(), VsockOp::kCreditUpdate);
  EXPECT_EQ(update->header.fwd_cnt, 2u);
  EXPECT_EQ(update->header.buf_alloc, VsockMuxer::kBufferSize);
}

TEST_F(VsockTest, GuestBeyondItsCreditIsReset) {
  const std::shared_ptr<FakeVsockEnd> end = Connected();
  end->SetCapacity(0);
  const std::string quarter(VsockMuxer::kBufferSize / 4, 'x');
  for (int i = 0; i < 4; ++i) bench_.SendData(kPorts, quarter);
  ASSERT_EQ(bench_.device().connections(), 1u);

  bench_.SendData(kPorts, "x");

  EXPECT_EQ(NextOp(), VsockOp::kReset);
  EXPECT_TRUE(end->device_closed());
}

TEST_F(VsockTest, CountersWrap) {
  const std::shared_ptr<FakeVsockEnd> end = Connected();
  VsockHeader update = VsockBench::Packet(VsockOp::kCreditUpdate, kPorts);
  // The guest claims to have taken more than was sent: it has no room then.
  update.fwd_cnt = 1;
  bench_.Send(update);
  end->Write("x");
  EXPECT_EQ(NextOp(), VsockOp::kCreditRequest);

  update.fwd_cnt = 0;
  bench_.Send(update);

  EXPECT_EQ(NextOp(), VsockOp::kReadWrite);
}

// --- Ending.

TEST_F(VsockTest, HostEndsWriting) {
  const std::shared_ptr<FakeVsockEnd> end = Connected();
  end->Write("last");
  end->ShutdownWrite();

  EXPECT_EQ(bench_.Receive()->payload, "last");
  const std::optional<VsockPacket> shutdown = bench_.Receive();

  ASSERT_TRUE(shutdown.has_value());
  EXPECT_EQ(shutdown->op(), VsockOp::kShutdown);
  EXPECT_EQ(shutdown->header.flags, kVsockNoSend);
  bench_.SendData(kPorts, "answer");
  EXPECT_EQ(end->Read(), "answer");
}

TEST_F(VsockTest, HostCloses) {
  const std::shared_ptr<FakeVsockEnd> end = Connected();
  end->Write("last");
  end->Close();

  EXPECT_EQ(bench_.Receive()->payload, "last");
  EXPECT_EQ(bench_.Receive()->header.flags, kVsockNothing);
  bench_.Send(VsockBench::Packet(VsockOp::kReset, kPorts));

  EXPECT_EQ(bench_.device().connections(), 0u);
  EXPECT_EQ(NextOp(), VsockOp::kInvalid);
}

TEST_F(VsockTest, GuestThatDoesNotAnswerAShutdownIsReset) {
  const std::shared_ptr<FakeVsockEnd> end = Connected();
  end->Close();
  EXPECT_EQ(NextOp(), VsockOp::kShutdown);

  bench_.loop().Advance(VsockMuxer::kCloseTimeout);

  EXPECT_EQ(NextOp(), VsockOp::kReset);
  EXPECT_EQ(bench_.device().connections(), 0u);
}

TEST_F(VsockTest, HalfOpenConnectionsHaveAllTheTimeTheyWant) {
  const std::shared_ptr<FakeVsockEnd> end = Connected();
  end->ShutdownWrite();
  EXPECT_EQ(NextOp(), VsockOp::kShutdown);

  bench_.loop().Advance(absl::Hours(1));

  bench_.SendData(kPorts, "late");
  EXPECT_EQ(end->Read(), "late");
}

TEST_F(VsockTest, HostThatCrashesIsAReset) {
  const std::shared_ptr<FakeVsockEnd> end = Connected();

  end->Break();

  EXPECT_EQ(NextOp(), VsockOp::kReset);
  EXPECT_EQ(bench_.device().connections(), 0u);
}

TEST_F(VsockTest, WhatTheHostWillNotReadIsDropped) {
  const std::shared_ptr<FakeVsockEnd> end = Connected();
  end->SetCapacity(0);
  bench_.SendData(kPorts, "abc");
  end->Close();
  bench_.loop().RunReady();

  bench_.SendData(kPorts, "def");

  EXPECT_EQ(bench_.Receive()->header.flags, kVsockNothing);
  EXPECT_EQ(end->Read(), "");
}

TEST_F(VsockTest, GuestEndsSending) {
  const std::shared_ptr<FakeVsockEnd> end = Connected();
  bench_.SendData(kPorts, "last");

  SendShutdown(kVsockNoSend);

  EXPECT_TRUE(end->device_shutdown_write());
  EXPECT_FALSE(end->device_shutdown_read());
  EXPECT_EQ(end->Read(), "last");
  end->Write("answer");
  EXPECT_EQ(bench_.Receive()->payload, "answer");
}

TEST_F(VsockTest, EndOfSendingWaitsForWhatWasSent) {
  const std::shared_ptr<FakeVsockEnd> end = Connected();
  end->SetCapacity(0);
  bench_.SendData(kPorts, "last");
  SendShutdown(kVsockNoSend);
  EXPECT_FALSE(end->device_shutdown_write());

  end->SetCapacity(100);
  bench_.loop().RunReady();

  EXPECT_EQ(end->Read(), "last");
  EXPECT_TRUE(end->device_shutdown_write());
}

TEST_F(VsockTest, GuestThatWillNotReceiveGetsNothing) {
  const std::shared_ptr<FakeVsockEnd> end = Connected();

  SendShutdown(kVsockNoReceive);
  end->Write("nobody wants this");

  EXPECT_TRUE(end->device_shutdown_read());
  EXPECT_EQ(NextOp(), VsockOp::kInvalid);
}

TEST_F(VsockTest, GuestClosesInOneStep) {
  const std::shared_ptr<FakeVsockEnd> end = Connected();

  SendShutdown(kVsockNothing);

  EXPECT_TRUE(end->device_closed());
  EXPECT_EQ(NextOp(), VsockOp::kReset);
}

TEST_F(VsockTest, GuestClosesInTwoSteps) {
  const std::shared_ptr<FakeVsockEnd> end = Connected();
  SendShutdown(kVsockNoSend);

  SendShutdown(kVsockNoReceive);  // Does not take the first back.

  EXPECT_TRUE(end->device_closed());
  EXPECT_EQ(NextOp(), VsockOp::kReset);
}

TEST_F(VsockTest, DataAfterTheEndOfSendingIsReset) {
  const std::shared_ptr<FakeVsockEnd> end = Connected();
  SendShutdown(kVsockNoSend);

  bench_.SendData(kPorts, "more");

  EXPECT_EQ(NextOp(), VsockOp::kReset);
}

TEST_F(VsockTest, ResetClosesAtOnce) {
  const std::shared_ptr<FakeVsockEnd> end = Connected();
  end->SetCapacity(0);
  bench_.SendData(kPorts, "abc");

  bench_.Send(VsockBench::Packet(VsockOp::kReset, kPorts));

  EXPECT_TRUE(end->device_closed());
  EXPECT_EQ(NextOp(), VsockOp::kInvalid);
}

// A guest gives up on its shutdown after a while. What it sent before still counts.
TEST_F(VsockTest, SlowHostGetsAllOfAClosedConnection) {
  const std::shared_ptr<FakeVsockEnd> end = Connected();
  end->SetCapacity(2);
  bench_.SendData(kPorts, "abcde");
  SendShutdown(kVsockNothing);
  bench_.Send(VsockBench::Packet(VsockOp::kReset, kPorts));
  EXPECT_FALSE(end->device_closed());

  std::string got;
  for (int i = 0; i < 3; ++i) {
    got += end->Read();
    bench_.loop().RunReady();
  }

  EXPECT_EQ(got, "abcde");
  EXPECT_TRUE(end->device_closed());
  EXPECT_EQ(NextOp(), VsockOp::kInvalid);
}

TEST_F(VsockTest, PortsOfALingeringConnectionAreFree) {
  const std::shared_ptr<FakeVsockEnd> old = Connected();
  old->SetCapacity(0);
  bench_.SendData(kPorts, "old");
  SendShutdown(kVsockNothing);
  bench_.Send(VsockBench::Packet(VsockOp::kReset, kPorts));

  const std::shared_ptr<FakeVsockEnd> fresh = Connected();
  old->SetCapacity(10);
  bench_.loop().RunReady();
  bench_.SendData(kPorts, "new");

  EXPECT_EQ(old->Read(), "old");
  EXPECT_EQ(fresh->Read(), "new");
}

// --- Mistakes of the guest.

TEST_F(VsockTest, UnknownConnectionIsReset) {
  bench_.SendData(kPorts, "who are you");

  const std::optional<VsockPacket> answer = bench_.Receive();

  ASSERT_TRUE(answer.has_value());
  EXPECT_EQ(answer->op(), VsockOp::kReset);
  EXPECT_EQ(answer->header.src_port, kPorts.host);
  EXPECT_EQ(answer->header.dst_port, kPorts.guest);
}

TEST_F(VsockTest, ResetOfAnUnknownConnectionIsNotAnswered) {
  bench_.Send(VsockBench::Packet(VsockOp::kReset, kPorts));

  EXPECT_EQ(NextOp(), VsockOp::kInvalid);
}

TEST_F(VsockTest, UnknownTypeIsReset) {
  VsockHeader header = VsockBench::Packet(VsockOp::kRequest, kPorts);
  header.type = 2;  // SEQPACKET, which was not offered.

  bench_.Send(header);
  const std::optional<VsockPacket> answer = bench_.Receive();

  ASSERT_TRUE(answer.has_value());
  EXPECT_EQ(answer->op(), VsockOp::kReset);
  EXPECT_EQ(answer->header.type, 2u);
}

TEST_F(VsockTest, OtherAddressIsResetInItsName) {
  VsockHeader header = VsockBench::Packet(VsockOp::kRequest, kPorts);
  header.dst_cid = 7;

  bench_.Send(header);
  const std::optional<VsockPacket> answer = bench_.Receive();

  ASSERT_TRUE(answer.has_value());
  EXPECT_EQ(answer->op(), VsockOp::kReset);
  EXPECT_EQ(answer->header.src_cid, 7u);
}

TEST_F(VsockTest, PacketInAnothersNameIsDropped) {
  bench_.host().Listen(80);
  VsockHeader header = VsockBench::Packet(VsockOp::kRequest, kPorts);
  header.src_cid = 43;

  bench_.Send(header);

  EXPECT_EQ(NextOp(), VsockOp::kInvalid);
  EXPECT_EQ(bench_.device().stats().malformed, 1u);
}

TEST_F(VsockTest, ShortPacketIsDropped) {
  const std::vector<uint8_t> bytes(sizeof(VsockHeader) - 1);
  bench_.guest().queue(Vsock::kTx).Chain().Readable(bytes).Send();
  bench_.guest().Kick(Vsock::kTx);

  bench_.loop().RunReady();

  EXPECT_TRUE(bench_.guest().queue(Vsock::kTx).PollUsed().has_value());
  EXPECT_EQ(bench_.device().stats().malformed, 1u);
}

// A header that promises 64 KiB, and nothing behind it (KE-28).
TEST_F(VsockTest, LengthBeyondTheBufferIsReset) {
  const std::shared_ptr<FakeVsockEnd> end = Connected();
  VsockHeader header = VsockBench::Packet(VsockOp::kReadWrite, kPorts);
  header.length = 64 * 1024;

  bench_.Send(header);

  EXPECT_EQ(NextOp(), VsockOp::kReset);
  EXPECT_EQ(end->Read(), "");
}

// KE-27.
TEST_F(VsockTest, PayloadOutsideOfMemoryIsReset) {
  const std::shared_ptr<FakeVsockEnd> end = Connected();
  VsockHeader header = VsockBench::Packet(VsockOp::kReadWrite, kPorts);
  header.length = 64;
  bench_.guest()
      .queue(Vsock::kTx)
      .Chain()
      .Readable(absl::MakeConstSpan(reinterpret_cast<uint8_t*>(&header), sizeof(header)))
      .Readable(std::vector<uint8_t>(64))
      .Send();
  // The payload's buffer begins in memory and goes beyond its end.
  const GuestMemory::Region& last = bench_.guest().memory().regions().back();
  const uint64_t memory_end = Raw(last.start) + last.size;
  const QueueLayout layout = bench_.guest().queue(Vsock::kTx).layout();
  ASSERT_TRUE(bench_.guest()
                  .memory()
                  .WriteObject(layout.descriptors + kDescriptorSize, Le64(memory_end - 32))
                  .ok());
  bench_.guest().Kick(Vsock::kTx);

  EXPECT_EQ(NextOp(), VsockOp::kReset);
  EXPECT_EQ(end->Read(), "");
}

TEST_F(VsockTest, PayloadBeyondTheLengthIsIgnored) {
  const std::shared_ptr<FakeVsockEnd> end = Connected();
  VsockHeader header = VsockBench::Packet(VsockOp::kReadWrite, kPorts);
  header.length = 3;

  bench_.Send(header, "abcdef");

  EXPECT_EQ(end->Read(), "abc");
}

class UnexpectedOpTest : public VsockTest, public testing::WithParamInterface<uint16_t> {};

TEST_P(UnexpectedOpTest, ResetsTheConnection) {
  const std::shared_ptr<FakeVsockEnd> end = Connected();
  VsockHeader header = VsockBench::Packet(VsockOp::kInvalid, kPorts);
  header.op = GetParam();

  bench_.Send(header);

  EXPECT_EQ(NextOp(), VsockOp::kReset);
  EXPECT_TRUE(end->device_closed());
}

// Invalid; REQUEST and RESPONSE of what is open already; unknown.
INSTANTIATE_TEST_SUITE_P(Ops, UnexpectedOpTest, testing::Values(0, 1, 2, 8, 0xffff));

TEST_F(VsockTest, DataInsteadOfAResponseIsReset) {
  const std::shared_ptr<FakeVsockEnd> end = bench_.host().ConnectTo(22);
  const uint32_t host_port = bench_.Receive()->header.src_port;

  bench_.SendData({.host = host_port, .guest = 22}, "too early");

  EXPECT_EQ(NextOp(), VsockOp::kReset);
  EXPECT_TRUE(end->device_closed());
}

TEST_F(VsockTest, BufferWithoutRoomForAHeaderComesBackEmpty) {
  bench_.SendData(kPorts, "reset me");

  bench_.GiveBuffer(sizeof(VsockHeader) - 1);
  bench_.guest().queue(Vsock::kRx).PollUsed();

  EXPECT_EQ(bench_.device().stats().unusable_buffers, 1u);
  EXPECT_EQ(NextOp(), VsockOp::kReset);
}

TEST_F(VsockTest, BufferWithoutRoomForDataLosesNone) {
  const std::shared_ptr<FakeVsockEnd> end = Connected();
  end->Write("hello");

  bench_.GiveBuffer(sizeof(VsockHeader));
  EXPECT_FALSE(bench_.TakePacket().has_value());

  EXPECT_EQ(bench_.Receive()->payload, "hello");
}

// --- Limits.

// Resets that the guest does not take make its packets wait, and nothing grows.
TEST_F(VsockTest, PacketsWaitWhileResetsAreNotTaken) {
  DriverQueue& tx = bench_.guest().queue(Vsock::kTx);
  uint32_t returned = 0;
  for (uint32_t port = 0; port < 2 * VsockMuxer::kMaxResets; ++port) {
    const VsockHeader header = VsockBench::Packet(VsockOp::kRequest, {.host = 9, .guest = port});
    if (tx.room() == 0) break;
    tx.Chain()
        .Readable(absl::MakeConstSpan(reinterpret_cast<const uint8_t*>(&header), sizeof(header)))
        .Send();
    bench_.guest().Kick(Vsock::kTx);
    bench_.loop().RunReady();
    while (tx.PollUsed().has_value()) ++returned;
  }
  EXPECT_EQ(returned, VsockMuxer::kMaxResets);
  EXPECT_FALSE(bench_.host().accepting());

  uint32_t resets = 0;
  while (NextOp() == VsockOp::kReset) ++resets;

  // None was lost: those that had to wait have been answered too.
  EXPECT_EQ(resets, 2 * VsockMuxer::kMaxResets);
  EXPECT_TRUE(bench_.host().accepting());
}

// KE-29: connections, and what they may keep waiting, are bounded.
TEST_F(VsockTest, OneConnectionTooManyIsReset) {
  FakeVsockHost::Program& program = bench_.host().Listen(80);
  for (uint32_t i = 0; i < VsockMuxer::kMaxConnections; ++i) {
    bench_.Send(VsockBench::Packet(VsockOp::kRequest, {.host = 80, .guest = i}));
    NextOp();
  }
  ASSERT_THAT(program.streams, SizeIs(VsockMuxer::kMaxConnections));

  bench_.Send(VsockBench::Packet(VsockOp::kRequest, {.host = 80, .guest = 1 << 20}));

  EXPECT_EQ(NextOp(), VsockOp::kReset);
  EXPECT_THAT(program.streams, SizeIs(VsockMuxer::kMaxConnections));
  EXPECT_FALSE(bench_.host().accepting());
}

// The guest is promised little room once many connections have much (KE-29).
TEST_F(VsockTest, PromisedBuffersAreBounded) {
  bench_.host().Listen(80);
  uint64_t promised = 0;
  for (uint32_t i = 0; i < VsockMuxer::kMaxConnections; ++i) {
    bench_.Send(VsockBench::Packet(VsockOp::kRequest, {.host = 80, .guest = i}));
    promised += bench_.Receive()->header.buf_alloc;
  }

  EXPECT_LE(promised, uint64_t{128} << 20);
}

TEST_F(VsockTest, RequestsOfTheHostAreBounded) {
  std::vector<std::shared_ptr<FakeVsockEnd>> ends;
  for (size_t i = 0; i <= VsockMuxer::kMaxRequested; ++i) {
    ends.push_back(bench_.host().ConnectTo(22));
  }
  bench_.loop().RunReady();

  EXPECT_FALSE(bench_.host().accepting());
  EXPECT_EQ(bench_.device().connections(), VsockMuxer::kMaxRequested);
  EXPECT_TRUE(ends.back()->device_closed());
}

TEST_F(VsockTest, ThousandConnectionsEachWay) {
  FakeVsockHost::Program& program = bench_.host().Listen(80);
  std::vector<std::shared_ptr<FakeVsockEnd>> from_host;
  std::vector<uint32_t> host_ports(1000);
  for (uint32_t i = 0; i < 1000; ++i) {
    Connected({.host = 80, .guest = i});
    from_host.push_back(ConnectedByHost(i, host_ports[i]));
  }
  ASSERT_EQ(bench_.device().connections(), 2000u);

  for (uint32_t i = 0; i < 1000; ++i) {
    bench_.SendData({.host = 80, .guest = i}, std::to_string(i));
    bench_.SendData({.host = host_ports[i], .guest = i}, std::to_string(i + 5000));
  }

  for (uint32_t i = 0; i < 1000; ++i) {
    EXPECT_EQ(program.streams[i]->Read(), std::to_string(i));
    EXPECT_EQ(from_host[i]->Read(), std::to_string(i + 5000));
  }
}

// --- Resets and restores.

TEST_F(VsockTest, ResetClosesEverything) {
  const std::shared_ptr<FakeVsockEnd> end = Connected();
  ASSERT_TRUE(bench_.host().accepting());

  bench_.device().Reset();

  EXPECT_TRUE(end->device_closed());
  EXPECT_FALSE(bench_.host().accepting());
  bench_.Start();
  EXPECT_TRUE(bench_.host().accepting());
  EXPECT_EQ(NextOp(), VsockOp::kInvalid);
  EXPECT_NE(Connected(), nullptr);
}

TEST_F(VsockTest, ConnectionsOutliveAStop) {
  const std::shared_ptr<FakeVsockEnd> end = Connected();
  std::vector<QueuePosition> positions;
  for (uint16_t queue = 0; queue < 3; ++queue) {
    positions.push_back(bench_.device().StopQueue(queue).value());
  }
  end->Write("while stopped");
  bench_.loop().RunReady();

  for (uint16_t queue = 0; queue < 3; ++queue) {
    bench_.guest().StartQueue(queue, positions[queue]);
  }
  bench_.loop().RunReady();

  EXPECT_EQ(bench_.Receive()->payload, "while stopped");
}

TEST_F(VsockTest, BufferThatWaitsIsPutBackAtAStop) {
  const std::shared_ptr<FakeVsockEnd> end = Connected();
  bench_.GiveBuffer();

  const QueuePosition position = bench_.device().StopQueue(Vsock::kRx).value();
  bench_.guest().StartQueue(Vsock::kRx, position);
  end->Write("into the same buffer");
  bench_.loop().RunReady();

  EXPECT_EQ(bench_.TakePacket()->payload, "into the same buffer");
}

TEST_F(VsockTest, RestoredGuestHearsOfATransportReset) {
  Connected();
  const std::string state = bench_.device().Save().value();
  VsockBench other;

  ASSERT_TRUE(other.device().Restore(state).ok());
  EXPECT_EQ(other.device().Save().value(), state);
  other.Start();
  other.guest().queue(Vsock::kEvent).Chain().Writable(4).Send();
  other.guest().Kick(Vsock::kEvent);
  other.loop().RunReady();

  const std::optional<DriverQueue::Used> event = other.guest().queue(Vsock::kEvent).PollUsed();
  ASSERT_TRUE(event.has_value());
  EXPECT_THAT(event->data, ElementsAre(0, 0, 0, 0));
  EXPECT_EQ(event->length, 4u);
}

TEST_F(VsockTest, GuestWithoutConnectionsHearsOfNothing) {
  const std::string state = bench_.device().Save().value();
  VsockBench other;

  ASSERT_TRUE(other.device().Restore(state).ok());
  other.Start();
  other.guest().queue(Vsock::kEvent).Chain().Writable(4).Send();
  other.guest().Kick(Vsock::kEvent);
  other.loop().RunReady();

  EXPECT_FALSE(other.guest().queue(Vsock::kEvent).PollUsed().has_value());
}

TEST_F(VsockTest, GarbageIsNotRestored) {
  const std::string state = bench_.device().Save().value();
  std::string wrong_version = state;
  wrong_version[0] = 9;
  std::string wrong_flag = state;
  wrong_flag.back() = 2;
  std::string wrong_cid = state;
  wrong_cid[4] = 7;

  EXPECT_FALSE(bench_.device().Restore("").ok());
  EXPECT_FALSE(bench_.device().Restore(state + "x").ok());
  EXPECT_FALSE(bench_.device().Restore(wrong_version).ok());
  EXPECT_FALSE(bench_.device().Restore(wrong_flag).ok());
  EXPECT_THAT(std::string(bench_.device().Restore(wrong_cid).message()),
              testing::HasSubstr("CID 7"));
}

}  // namespace
}  // namespace touchstone
