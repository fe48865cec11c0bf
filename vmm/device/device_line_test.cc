#include "vmm/device/device_line.h"

#include <string>
#include <variant>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace touchstone {
namespace {

using testing::HasSubstr;

std::string ErrorOf(std::vector<absl::string_view> arguments) {
  return std::string(ParseDeviceLines(arguments).status().message());
}

// Of a process with one device.
DeviceLine LineOf(std::vector<absl::string_view> arguments) {
  const absl::StatusOr<std::vector<DeviceLine>> lines = ParseDeviceLines(arguments);
  EXPECT_TRUE(lines.ok()) << lines.status();
  EXPECT_EQ(lines->size(), 1u);
  return lines->front();
}

TEST(DeviceLineTest, Rng) {
  const DeviceLine line = LineOf({"rng", "--socket-path", "/s"});

  EXPECT_EQ(line.socket_path, "/s");
  EXPECT_FALSE(line.fd.has_value());
  EXPECT_TRUE(std::holds_alternative<RngDeviceConfig>(line.device));
}

// crosvm's older spelling of the socket.
TEST(DeviceLineTest, Socket) {
  EXPECT_EQ(LineOf({"rng", "--socket=/s"}).socket_path, "/s");
  EXPECT_EQ(LineOf({"rng", "--fd=7"}).fd, 7);
  EXPECT_THAT(ErrorOf({"rng"}), HasSubstr("rng: either --socket-path or --fd"));
  EXPECT_THAT(ErrorOf({"rng", "--fd=7", "--socket-path=/s"}), HasSubstr("either"));
  EXPECT_THAT(ErrorOf({"rng", "--fd=-1"}), HasSubstr("--fd"));
}

TEST(DeviceLineTest, Block) {
  const auto block = [](std::vector<absl::string_view> arguments) {
    arguments.insert(arguments.begin(), {"block", "--fd=3"});
    return std::get<BlockConfig>(LineOf(arguments).device);
  };

  const BlockConfig file = block({"--file", "/disk"});
  EXPECT_EQ(file.path(), "/disk");
  EXPECT_FALSE(file.ro());
  EXPECT_FALSE(file.sparse());
  EXPECT_TRUE(block({"--file=/disk:read-only"}).ro());
  EXPECT_EQ(block({"--file=/disk:read-only"}).path(), "/disk");
  const BlockConfig keys = block({"--block", "/disk,ro,block-size=4096"});
  EXPECT_EQ(keys.block_size(), 4096u);
  EXPECT_TRUE(keys.sparse());
  EXPECT_THAT(ErrorOf({"block", "--fd=3"}), HasSubstr("--file or --block"));
  EXPECT_THAT(ErrorOf({"block", "--fd=3", "--file=/a", "--block=/b"}), HasSubstr("either"));
  EXPECT_THAT(ErrorOf({"block", "--fd=3", "--block=/b,nonsense=1"}), HasSubstr("nonsense"));
}

TEST(DeviceLineTest, Net) {
  const DeviceLine line = LineOf({"net", "--fd=3", "--net", "tap-name=t0"});

  EXPECT_EQ(std::get<NetConfig>(line.device).tap_name(), "t0");
  EXPECT_THAT(ErrorOf({"net", "--fd=3"}), HasSubstr("--net is missing"));
}

// crosvm's spellings.
TEST(DeviceLineTest, Taps) {
  const auto net = [](std::vector<absl::string_view> arguments) {
    arguments.insert(arguments.begin(), "net");
    return LineOf(arguments);
  };
  const DeviceLine fd = net({"--tap-fd", "/s,7", "--mrg-rxbuf"});
  EXPECT_EQ(fd.socket_path, "/s");
  EXPECT_EQ(std::get<NetConfig>(fd.device).tap_fd(), 7);
  EXPECT_TRUE(std::get<NetConfig>(fd.device).mrg_rxbuf());
  const DeviceLine name = net({"--tap-name=/s,tap0"});
  EXPECT_EQ(std::get<NetConfig>(name.device).tap_name(), "tap0");
  EXPECT_FALSE(std::get<NetConfig>(name.device).mrg_rxbuf());
  const DeviceLine own = net({"--device", "/s,10.0.0.1,255.255.255.0,02:00:00:00:00:01"});
  EXPECT_EQ(own.socket_path, "/s");
  EXPECT_EQ(std::get<NetConfig>(own.device).host_ip(), "10.0.0.1");
  EXPECT_EQ(std::get<NetConfig>(own.device).netmask(), "255.255.255.0");
  EXPECT_EQ(std::get<NetConfig>(own.device).mac(), "02:00:00:00:00:01");

  EXPECT_THAT(ErrorOf({"net", "--tap-fd=/s,x"}), HasSubstr("'x' is no descriptor"));
  for (const absl::string_view other : {"--fd=3", "--socket-path=/r", "--net=tap-name=t"}) {
    EXPECT_THAT(ErrorOf({"net", "--tap-fd=/s,1", other}), HasSubstr("exclude")) << other;
  }
  EXPECT_THAT(ErrorOf({"net", "--fd=3", "--net=tap-name=t", "--mrg-rxbuf"}), HasSubstr("key of"));
}

TEST(DeviceLineTest, ATapEachIsADeviceEach) {
  const auto lines = ParseDeviceLines(
      {"net", "--tap-name=/a,tap0", "--mrg-rxbuf", "--tap-fd=/b,7", "--tap-name=/c,tap1"});

  ASSERT_TRUE(lines.ok()) << lines.status();
  ASSERT_EQ(lines->size(), 3u);
  EXPECT_EQ((*lines)[0].socket_path, "/b");
  EXPECT_EQ((*lines)[1].socket_path, "/a");
  EXPECT_EQ((*lines)[2].socket_path, "/c");
  for (const DeviceLine& line : *lines) {
    EXPECT_TRUE(std::get<NetConfig>(line.device).mrg_rxbuf());
  }
  EXPECT_THAT(ErrorOf({"net", "--tap-name=/a,tap0", "--tap-name=/a,tap1"}),
              HasSubstr("two devices have the socket '/a'"));
}

TEST(DeviceLineTest, TapsHaveAllParts) {
  for (const absl::string_view value : {"/s", "/s,", ",tap0", "/s,tap0,tap1", ""}) {
    EXPECT_NE(ErrorOf({"net", "--tap-name", value}), "") << value;
  }
  EXPECT_NE(ErrorOf({"net", "--device=/s,10.0.0.1,255.255.255.0"}), "");
}

TEST(DeviceLineTest, Vsock) {
  const DeviceLine line = LineOf({"vsock", "--fd=3", "--cid=5", "--vhost-socket=/v"});

  EXPECT_EQ(std::get<VsockConfig>(line.device).cid(), 5u);
  EXPECT_EQ(std::get<VsockConfig>(line.device).device(), "/v");
  EXPECT_EQ(
      std::get<VsockConfig>(LineOf({"vsock", "--fd=3", "--vsock=4,socket=/s"}).device).socket(),
      "/s");
  EXPECT_THAT(ErrorOf({"vsock", "--fd=3"}), HasSubstr("--cid or --vsock"));
  EXPECT_THAT(ErrorOf({"vsock", "--fd=3", "--cid=2"}), HasSubstr("--cid"));
}

TEST(DeviceLineTest, Console) {
  const auto ports = [](std::vector<absl::string_view> arguments) {
    arguments.insert(arguments.begin(), {"console", "--fd=3"});
    return std::get<std::vector<SerialConfig>>(LineOf(arguments).device);
  };

  const std::vector<SerialConfig> one = ports({"--output-file=/out", "--input-file=/in"});
  ASSERT_EQ(one.size(), 1u);
  EXPECT_EQ(one[0].hardware(), SerialConfig::LEGACY_VIRTIO_CONSOLE);
  EXPECT_EQ(one[0].path(), "/out");
  EXPECT_EQ(one[0].input(), "/in");
  const std::vector<SerialConfig> two = ports({"--port=type=stdout", "--port=type=sink,name=b"});
  ASSERT_EQ(two.size(), 2u);
  EXPECT_EQ(two[1].hardware(), SerialConfig::VIRTIO_CONSOLE);
  EXPECT_EQ(two[1].name(), "b");
  EXPECT_EQ(ports({"--syslog"})[0].type(), SerialConfig::SYSLOG);
  EXPECT_THAT(ErrorOf({"console", "--fd=3", "--syslog", "--output-file=/o"}),
              HasSubstr("--syslog excludes"));
  EXPECT_THAT(ErrorOf({"console", "--fd=3"}), HasSubstr("--port"));
  EXPECT_THAT(ErrorOf({"console", "--fd=3", "--port=type=sink", "--output-file=/o"}),
              HasSubstr("excludes"));
}

TEST(DeviceLineTest, Types) {
  EXPECT_THAT(ErrorOf({}), HasSubstr("the type is missing, one of block, console"));
  EXPECT_THAT(ErrorOf({"blok"}), HasSubstr("unknown type 'blok'"));
  EXPECT_THAT(DeviceHelp({}), HasSubstr("block, console, net, rng, vsock"));
  EXPECT_THAT(DeviceHelp({"block"}), HasSubstr("--file PATH[:read-only]"));
}

}  // namespace
}  // namespace touchstone
