#include "devices/virtio/vhost_user/connection.h"

#include <fcntl.h>
#include <sys/socket.h>

#include <string>
#include <utility>
#include <vector>

#include "base/event_fd.h"
#include "devices/virtio/vhost_user/raw_peer.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace touchstone {
namespace {

using testing::HasSubstr;

constexpr uint32_t kKick = static_cast<uint32_t>(VhostUserRequest::kSetVringKick);

class VhostUserConnectionTest : public testing::Test {
 protected:
  VhostUserConnectionTest() : connection_(peer_.TakeOther(), VhostUserFrontendTable()) {}

  std::optional<VhostUserMessage> Receive() { return connection_.Receive().value(); }
  absl::Status Error() { return connection_.Receive().status(); }

  RawVhostUserPeer peer_;
  VhostUserConnection connection_;
};

TEST_F(VhostUserConnectionTest, ReceivesMessagesOneByOne) {
  const VhostUserVringState state = {.index = 1u, .num = 256u};
  peer_.Send(VhostUserRequest::kSetOwner);
  peer_.Send(VhostUserRequest::kSetVringNum, state);

  EXPECT_EQ(Receive()->request, 3u);
  const std::optional<VhostUserMessage> second = Receive();
  ASSERT_TRUE(second.has_value());
  EXPECT_EQ(second->request, 8u);
  EXPECT_EQ(second->Get<VhostUserVringState>().num, 256u);
  EXPECT_FALSE(Receive().has_value());
}

TEST_F(VhostUserConnectionTest, WaitsForMessagesInPieces) {
  const std::vector<uint8_t> bytes = {8, 0, 0, 0, 1, 0, 0, 0, 8, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0, 0};
  for (const uint8_t byte : bytes) {
    EXPECT_FALSE(Receive().has_value());
    peer_.SendBytes({&byte, 1});
  }
  const std::optional<VhostUserMessage> message = Receive();

  ASSERT_TRUE(message.has_value());
  EXPECT_EQ(message->Get<VhostUserVringState>().num, 256u);
}

TEST_F(VhostUserConnectionTest, DescriptorsStayWithTheirMessage) {
  const EventFd event = EventFd::Create().value();
  peer_.Send(VhostUserRequest::kSetOwner);
  peer_.Send(VhostUserRequest::kSetVringKick, Le64(uint64_t{0}), {event.fd()});
  peer_.Send(VhostUserRequest::kSetOwner);

  EXPECT_TRUE(Receive()->fds.empty());
  const std::optional<VhostUserMessage> kick = Receive();
  ASSERT_EQ(kick->fds.size(), 1u);
  EXPECT_EQ(fcntl(kick->fds[0].get(), F_GETFD), FD_CLOEXEC);
  EXPECT_TRUE(Receive()->fds.empty());
}

// The kernel keeps descriptors with the first byte of what they were sent with.
TEST_F(VhostUserConnectionTest, DescriptorsMayComeWithAnyPiece) {
  const EventFd event = EventFd::Create().value();
  const std::vector<uint8_t> header = {12, 0, 0, 0, 1, 0, 0, 0, 8, 0, 0, 0};
  peer_.SendBytes(header);
  EXPECT_FALSE(Receive().has_value());
  peer_.SendBytes(std::vector<uint8_t>(8), {event.fd()});

  EXPECT_EQ(Receive()->fds.size(), 1u);
}

// KE-79.
TEST_F(VhostUserConnectionTest, UnexpectedDescriptorsAreClosed) {
  const EventFd event = EventFd::Create().value();
  const int before = CountOpenFds();
  peer_.Send(VhostUserRequest::kGetFeatures, {event.fd()});

  EXPECT_THAT(std::string(Error().message()), HasSubstr("GET_FEATURES: 1 descriptors"));
  EXPECT_EQ(CountOpenFds(), before);
  EXPECT_EQ(Error().code(), absl::StatusCode::kInvalidArgument);
}

TEST_F(VhostUserConnectionTest, DescriptorsWithEachByteAreBounded) {
  const EventFd event = EventFd::Create().value();
  const std::vector<int> many(8, event.fd());
  const int before = CountOpenFds();
  const std::vector<uint8_t> header = {12, 0, 0, 0, 1, 0, 0, 0, 8, 0, 0, 0};
  peer_.SendBytes(absl::MakeConstSpan(header).first(6), many);
  peer_.SendBytes(absl::MakeConstSpan(header).subspan(6), many);

  EXPECT_EQ(Error().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(CountOpenFds(), before);
}

// MSG_CTRUNC: more than the receiver has room for.
TEST_F(VhostUserConnectionTest, MoreDescriptorsThanRoomAreClosed) {
  const EventFd event = EventFd::Create().value();
  const int before = CountOpenFds();
  peer_.SendMessage(kKick, 1, std::vector<uint8_t>(8), std::vector<int>(32, event.fd()));

  EXPECT_FALSE(Error().ok());
  EXPECT_EQ(CountOpenFds(), before);
}

TEST_F(VhostUserConnectionTest, HostileHeadersEndTheConnection) {
  peer_.SendMessage(5, 1, std::vector<uint8_t>(8 + 100 * 32));

  EXPECT_THAT(std::string(Error().message()), HasSubstr("SET_MEM_TABLE"));
  peer_.Send(VhostUserRequest::kSetOwner);
  EXPECT_FALSE(Error().ok());
}

TEST_F(VhostUserConnectionTest, TellsAnOrderlyEndFromAnother) {
  peer_.Close();
  EXPECT_EQ(Error().code(), absl::StatusCode::kFailedPrecondition);
  RawVhostUserPeer other;
  VhostUserConnection connection(other.TakeOther(), VhostUserFrontendTable());
  other.SendBytes(std::vector<uint8_t>{1, 0, 0, 0});
  other.Close();

  EXPECT_EQ(connection.Receive().status().code(), absl::StatusCode::kDataLoss);
}

TEST_F(VhostUserConnectionTest, SendsNoMoreThanThePeerTakes) {
  absl::Status status;
  int sent = 0;
  for (; status.ok() && sent < 1'000'000; ++sent) status = connection_.Send(1, 0, {});

  EXPECT_EQ(status.code(), absl::StatusCode::kUnavailable);
}

TEST_F(VhostUserConnectionTest, RoundTrip) {
  const EventFd event = EventFd::Create().value();
  const std::vector<uint8_t> payload = VhostUserPayload(Le64(uint64_t{3}));
  ASSERT_TRUE(connection_.Send(kKick, kVhostUserNeedReply, payload, {event.fd()}).ok());
  const std::optional<VhostUserMessage> message = peer_.Receive();

  ASSERT_TRUE(message.has_value());
  EXPECT_TRUE(message->needs_reply());
  EXPECT_FALSE(message->reply());
  EXPECT_EQ(message->payload, payload);
  EXPECT_EQ(message->fds.size(), 1u);
}

TEST_F(VhostUserConnectionTest, WhatIsNoSocketFails) {
  VhostUserConnection none(ScopedFd(), VhostUserFrontendTable());
  VhostUserConnection file(ScopedFd(open("/dev/null", O_RDWR | O_CLOEXEC)),
                           VhostUserFrontendTable());

  EXPECT_FALSE(none.Receive().ok());
  EXPECT_FALSE(file.Receive().ok());
  EXPECT_FALSE(file.Send(1, 0, {}).ok());
}

}  // namespace
}  // namespace touchstone
