#include "vmm/config/net_options.h"

#include <string>

#include "devices/module/text_proto.h"
#include "gtest/gtest.h"
#include "vmm/config/config_schema.h"

namespace touchstone {
namespace {

RunConfig Config(const std::string& text) {
  RunConfig config;
  EXPECT_TRUE(ReadTextProto(text, config).ok());
  return config;
}

std::string Gathered(const std::string& text) {
  RunConfig config = Config(text);
  GatherNets(config);
  GatherNets(config);
  std::string nets;
  for (const NetConfig& net : config.net()) nets += WriteTextProto(net) + "\n";
  return nets;
}

TEST(GatherNetsTest, OlderSpellingsFollowInTheirOrder) {
  EXPECT_EQ(Gathered("tap_fd: 5 host_ip: '10.0.0.1' netmask: '255.0.0.0' mac_address: 'm' "
                     "tap_name: 'b' tap_name: 'c' net { tap_name: 'a' vq_pairs: 2 }"),
            "tap_name: \"a\" vq_pairs: 2\n"
            "tap_name: \"b\"\n"
            "tap_name: \"c\"\n"
            "tap_fd: 5\n"
            "host_ip: \"10.0.0.1\" netmask: \"255.0.0.0\" mac: \"m\"\n");
}

TEST(GatherNetsTest, CommonOptionsAreForOlderSpellingsOnly) {
  EXPECT_EQ(Gathered("tap_fd: 5 net_vq_pairs: 3 vhost_net: true net { tap_name: 'a' }"),
            "tap_name: \"a\"\n"
            "tap_fd: 5 vhost_net { } vq_pairs: 3\n");
  EXPECT_EQ(Gathered("tap_fd: 5 vhost_net: true vhost_net_device: '/dev/foo'"),
            "tap_fd: 5 vhost_net { device: \"/dev/foo\" }\n");
  EXPECT_EQ(Gathered("tap_fd: 5 vhost_net_device: '/dev/foo'"), "tap_fd: 5\n");
}

TEST(GatherNetsTest, APartOfAnAddressIsADeviceWhoseMistakeShows) {
  EXPECT_EQ(Gathered("netmask: '255.0.0.0'"), "netmask: \"255.0.0.0\"\n");
}

TEST(GatherNetsTest, NothingIsNothing) { EXPECT_EQ(Gathered(""), ""); }

}  // namespace
}  // namespace touchstone
