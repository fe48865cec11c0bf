#include "bench/peers/net_load.h"

#include <sys/socket.h>
#include <unistd.h>

#include <future>

#include "gtest/gtest.h"

namespace touchstone {
namespace {

class NetLoadTest : public testing::TestWithParam<NetLoad> {
 protected:
  NetLoadTest() {
    EXPECT_EQ(socketpair(AF_UNIX, SOCK_STREAM, 0, tcp_), 0);
    EXPECT_EQ(socketpair(AF_UNIX, SOCK_DGRAM, 0, udp_), 0);
  }
  ~NetLoadTest() override {
    for (const int fd : {tcp_[0], tcp_[1], udp_[0], udp_[1]}) close(fd);
  }

  int tcp_[2] = {};
  int udp_[2] = {};
};

TEST_P(NetLoadTest, BothEndsAgreeWhenTheLoadIsOver) {
  const NetRequest request = {.load = GetParam(), .operations = 3 * kBurst + 1};
  auto host = std::async(std::launch::async, [&] { return RunHostEnd(request, tcp_[1], udp_[1]); });

  EXPECT_TRUE(RunGuestEnd(request, tcp_[0], udp_[0]));

  EXPECT_TRUE(host.get());
  uint8_t rest;
  EXPECT_EQ(recv(tcp_[0], &rest, 1, MSG_DONTWAIT), -1);
  EXPECT_EQ(recv(udp_[0], &rest, 1, MSG_DONTWAIT), -1);
  EXPECT_EQ(recv(udp_[1], &rest, 1, MSG_DONTWAIT), -1);
}

INSTANTIATE_TEST_SUITE_P(Loads, NetLoadTest,
                         testing::Values(NetLoad::kTcpOut, NetLoad::kTcpIn, NetLoad::kUdpOut,
                                         NetLoad::kUdpIn, NetLoad::kUdpRoundTrip));

TEST_F(NetLoadTest, AnEndThatIsGoneIsAnError) {
  shutdown(tcp_[1], SHUT_RDWR);

  EXPECT_FALSE(RunGuestEnd({.load = NetLoad::kTcpIn, .operations = 1}, tcp_[0], udp_[0]));
}

}  // namespace
}  // namespace touchstone
