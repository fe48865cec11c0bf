#include "devices/virtio/net/net_plan.h"

#include <string>

#include "devices/module/text_proto.h"
#include "devices/virtio/net/net_schema.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace touchstone {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

absl::StatusOr<NetPlan> Plan(const std::string& text) {
  NetConfig config;
  EXPECT_TRUE(ReadTextProto(text, config).ok());
  return PlanNet(config);
}

std::string ErrorOf(const std::string& text) { return std::string(Plan(text).status().message()); }

TEST(NetPlanTest, TapByName) {
  const NetPlan plan = Plan("tap_name: 'tap0' mac: '3c:70:eb:61:1a:91'").value();

  EXPECT_EQ(std::get<NetPlan::TapName>(plan.source).name, "tap0");
  EXPECT_THAT(*plan.mac, ElementsAre(0x3C, 0x70, 0xEB, 0x61, 0x1A, 0x91));
  EXPECT_EQ(plan.pairs, 1u);
  EXPECT_TRUE(plan.mergeable);
  EXPECT_FALSE(plan.packed);
  EXPECT_FALSE(plan.vhost_device.has_value());
}

TEST(NetPlanTest, TapByDescriptor) {
  const NetPlan plan = Plan("tap_fd: 3 vq_pairs: 4 packed_queue: true mrg_rxbuf: false").value();

  EXPECT_EQ(std::get<NetPlan::TapFd>(plan.source).fd, 3);
  EXPECT_FALSE(plan.mac.has_value());
  EXPECT_EQ(plan.pairs, 4u);
  EXPECT_FALSE(plan.mergeable);
  EXPECT_TRUE(plan.packed);
}

TEST(NetPlanTest, AddressIsTheHostsAndTheGuestHasNone) {
  const NetPlan plan =
      Plan("host_ip: '10.0.0.1' netmask: '255.255.240.0' mac: '3c:70:eb:61:1a:91'").value();

  const TapAddress& address = std::get<TapAddress>(plan.source);
  EXPECT_EQ(address.ip, 0x0A000001u);
  EXPECT_EQ(address.netmask, 0xFFFFF000u);
  EXPECT_THAT(address.mac, ElementsAre(0x3C, 0x70, 0xEB, 0x61, 0x1A, 0x91));
  EXPECT_FALSE(plan.mac.has_value());
}

TEST(NetPlanTest, VhostNetHasADevice) {
  EXPECT_EQ(Plan("tap_fd: 3 vhost_net {}").value().vhost_device, "/dev/vhost-net");
  EXPECT_EQ(Plan("tap_fd: 3 vhost_net { device: '/dev/foo' }").value().vhost_device, "/dev/foo");
}

TEST(NetPlanTest, PasstHasItsArguments) {
  const NetPlan plain = Plan("passt {} mac: '3c:70:eb:61:1a:91'").value();
  const NetPlan full = Plan(
                           "passt { path: '/opt/passt' tcp_ports: '8080:80' tcp_ports: '22' "
                           "udp_ports: '53' args: '-4' args: '--no-map-gw' }")
                           .value();

  EXPECT_EQ(std::get<PasstCommand>(plain.source).path, "passt");
  EXPECT_THAT(std::get<PasstCommand>(plain.source).arguments, IsEmpty());
  EXPECT_TRUE(plain.mac.has_value());
  EXPECT_EQ(std::get<PasstCommand>(full.source).path, "/opt/passt");
  EXPECT_THAT(std::get<PasstCommand>(full.source).arguments,
              ElementsAre("--tcp-ports", "8080:80,22", "--udp-ports", "53", "-4", "--no-map-gw"));
}

TEST(NetPlanTest, SocketsByPathAndByDescriptor) {
  EXPECT_EQ(std::get<NetPlan::SocketPath>(Plan("socket: '/tmp/s'").value().source).path, "/tmp/s");
  EXPECT_EQ(std::get<NetPlan::SocketFd>(Plan("socket_fd: 5").value().source).fd, 5);
}

TEST(NetPlanTest, SomeKeysNeedATap) {
  EXPECT_THAT(ErrorOf("passt {} vhost_net {}"), HasSubstr("vhost-net needs a tap"));
  EXPECT_THAT(ErrorOf("socket: 'a' vq_pairs: 2"), HasSubstr("vq-pairs= needs a tap"));
}

TEST(NetPlanTest, OneSourceIsNeeded) {
  EXPECT_THAT(ErrorOf(""), HasSubstr("none is given"));
  EXPECT_THAT(ErrorOf("mac: '3c:70:eb:61:1a:91'"), HasSubstr("none is given"));
  EXPECT_THAT(ErrorOf("tap_name: 'a' tap_fd: 3"), HasSubstr("several are given"));
  EXPECT_THAT(ErrorOf("tap_name: 'a' netmask: '255.0.0.0'"), HasSubstr("several are given"));
  EXPECT_THAT(ErrorOf("tap_name: 'a' passt {}"), HasSubstr("several are given"));
  EXPECT_THAT(ErrorOf("socket: 'a' socket_fd: 3"), HasSubstr("several are given"));
}

TEST(NetPlanTest, TheTripleIsComplete) {
  EXPECT_THAT(ErrorOf("host_ip: '10.0.0.1' mac: '3c:70:eb:61:1a:91'"),
              HasSubstr("netmask= is missing"));
  EXPECT_THAT(ErrorOf("netmask: '255.0.0.0' mac: '3c:70:eb:61:1a:91'"),
              HasSubstr("host-ip= is missing"));
  EXPECT_THAT(ErrorOf("host_ip: '10.0.0.1' netmask: '255.0.0.0'"), HasSubstr("mac= is missing"));
}

TEST(NetPlanTest, BadAddressesAreNamed) {
  EXPECT_THAT(ErrorOf("host_ip: '10.0.0' netmask: '255.0.0.0' mac: '3c:70:eb:61:1a:91'"),
              HasSubstr("host-ip=10.0.0 is no IPv4 address"));
  EXPECT_THAT(ErrorOf("host_ip: '10.0.0.1' netmask: '255.0.255.0' mac: '3c:70:eb:61:1a:91'"),
              HasSubstr("netmask=255.0.255.0 is no netmask"));
  EXPECT_THAT(ErrorOf("tap_name: 'a' mac: '3c:70:eb:61:1a'"), HasSubstr("mac=3c:70:eb:61:1a is"));
  EXPECT_THAT(ErrorOf("tap_name: 'a' mac: '3c:70:eb:61:1a:9'"), HasSubstr("is no address"));
  EXPECT_THAT(ErrorOf("tap_name: 'a' mac: '3c:70:eb:61:1a:+9'"), HasSubstr("is no address"));
  EXPECT_THAT(ErrorOf("tap_name: 'a' mac: '3c:70:eb:61:1a:9g'"), HasSubstr("is no address"));
  EXPECT_THAT(ErrorOf("tap_name: 'a' mac: '3d:70:eb:61:1a:91'"), HasSubstr("multicast"));
  EXPECT_THAT(ErrorOf("host_ip: '10.0.0.1' netmask: '255.0.0.0' mac: 'ff:ff:ff:ff:ff:ff'"),
              HasSubstr("mac=ff:ff:ff:ff:ff:ff is a multicast address"));
  EXPECT_EQ(ErrorOf("tap_name: '0123456789abcdef'"),
            "tap-name=0123456789abcdef: the name of an interface has at most 15 characters");
}

TEST(NetPlanTest, VhostNetHasOnePairOfSplitQueues) {
  EXPECT_THAT(ErrorOf("tap_fd: 3 vhost_net {} vq_pairs: 2"), HasSubstr("vq-pairs="));
  EXPECT_THAT(ErrorOf("tap_fd: 3 vhost_net {} packed_queue: true"), HasSubstr("packed-queue"));
}

}  // namespace
}  // namespace touchstone
