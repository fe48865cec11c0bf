#include "vmm/machine/vhost_user_devices.h"

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/event/loop_thread.h"
#include "base/event/manual_loop.h"
#include "base/fd_socket.h"
#include "devices/module/text_proto.h"
#include "devices/virtio/rng/rng.h"
#include "devices/virtio/vhost_user/backend.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "vmm/config/config_schema.h"

namespace touchstone {
namespace {

using testing::HasSubstr;

RunConfig Config(const std::string& text) {
  RunConfig config;
  EXPECT_TRUE(ReadTextProto(text, config).ok());
  return config;
}

TEST(VhostUserDevicesTest, OlderOptionsFollow) {
  const std::vector<VhostUserEntry> entries =
      VhostUserEntries(Config("vhost_user_net { socket: '/n' max_queue_size: 64 } "
                              "vhost_user_blk { socket: '/b' } "
                              "vhost_user { type: RNG socket: '/r' }"));

  ASSERT_EQ(entries.size(), 3u);
  EXPECT_EQ(entries[0].name, "vhost-user rng /r");
  EXPECT_EQ(entries[1].name, "vhost-user block /b");
  EXPECT_EQ(entries[1].option, "--vhost-user-blk");
  EXPECT_EQ(entries[2].config.max_queue_size(), 64u);
  EXPECT_TRUE(HasVhostUserDevices(Config("vhost_user_blk { socket: '/b' }")));
  EXPECT_FALSE(HasVhostUserDevices(Config("")));
}

TEST(VhostUserDevicesTest, DirectoriesComeFirst) {
  const std::vector<VhostUserEntry> entries = VhostUserEntries(
      Config("vhost_user { type: RNG socket: '/r' } vhost_user_fs { socket: '/f' tag: 'root' }"));

  ASSERT_EQ(entries.size(), 2u);
  EXPECT_EQ(entries[0].name, "vhost-user fs /f");
  EXPECT_EQ(entries[0].tag, "root");
  EXPECT_EQ(entries[1].tag, "");
}

TEST(VhostUserDevicesTest, TagsHaveAnEnd) {
  ManualLoop loop;
  VhostUserEntry entry = {
      .name = {}, .option = "--vhost-user-fs", .config = {}, .tag = std::string(37, 't')};
  entry.config.set_type(VhostUserConfig::FS);

  EXPECT_THAT(std::string(OpenVhostUser(entry, 0, loop).status().message()),
              HasSubstr("--vhost-user-fs: tag=: longer than 36"));
}

TEST(VhostUserDevicesTest, SocketsHaveToBeThere) {
  ManualLoop loop;
  VhostUserEntry entry = {.name = {}, .option = "--vhost-user", .config = {}, .tag = {}};
  entry.config.set_type(VhostUserConfig::RNG);
  entry.config.set_socket(testing::TempDir() + "/nobody");

  EXPECT_THAT(std::string(OpenVhostUser(entry, 0, loop).status().message()),
              HasSubstr("--vhost-user: socket="));
  EXPECT_FALSE(OpenVhostUser(entry, 2, loop).ok());
}

class VhostUserPeerTest : public testing::Test {
 protected:
  VhostUserPeerTest() : thread_(LoopThread::Start("peer").value()) {}
  ~VhostUserPeerTest() override { thread_->Stop(); }  // Before what works on its loop goes.

  absl::StatusOr<std::unique_ptr<VirtioDevice>> Open(VhostUserConfig config,
                                                     const std::string& tag = "") {
    auto [ours, theirs] = FdSocket::CreatePair(FdSocket::Kind::kStream).value();
    rngs_.push_back(std::make_unique<Rng>(thread_->loop()));
    backends_.push_back(std::make_unique<VhostUserBackend>(
        *rngs_.back(), std::move(theirs).Release(), thread_->loop(), [](const absl::Status&) {}));
    config.set_socket("/proc/self/fd/" + std::to_string(ours.fd()));
    return OpenVhostUser(
        {.name = {}, .option = "--vhost-user", .config = std::move(config), .tag = tag}, 0, loop_);
  }

  ManualLoop loop_;
  std::unique_ptr<LoopThread> thread_;
  std::vector<std::unique_ptr<Rng>> rngs_;
  std::vector<std::unique_ptr<VhostUserBackend>> backends_;
};

TEST_F(VhostUserPeerTest, InheritedSocketsAreTaken) {
  VhostUserConfig config;
  config.set_type(VhostUserConfig::RNG);
  const std::unique_ptr<VirtioDevice> device = Open(config).value();

  EXPECT_EQ(device->device_id(), 4u);
  EXPECT_EQ(device->features() & rngs_[0]->features(), rngs_[0]->features());
  EXPECT_THAT(device->max_queue_sizes(), testing::ElementsAre(256));
}

TEST_F(VhostUserPeerTest, ATagIsTheConfiguration) {
  VhostUserConfig config;
  config.set_type(VhostUserConfig::FS);
  const std::unique_ptr<VirtioDevice> device = Open(config, "root").value();
  uint8_t bytes[44] = {};
  device->WriteConfig(0, {1, 2, 3});
  device->ReadConfig(0, absl::MakeSpan(bytes));

  EXPECT_EQ(std::string(bytes, bytes + 5), std::string("root\0", 5));
  EXPECT_THAT(absl::MakeConstSpan(bytes).subspan(36), testing::ElementsAre(1, 0, 0, 0, 0, 0, 0, 0));
}

TEST_F(VhostUserPeerTest, QueueSizesArePowersOfTwo) {
  VhostUserConfig config;
  config.set_type(VhostUserConfig::RNG);
  config.set_max_queue_size(100);
  EXPECT_THAT(Open(config).value()->max_queue_sizes(), testing::ElementsAre(64));
  config.set_max_queue_size(65535);
  EXPECT_THAT(Open(config).value()->max_queue_sizes(), testing::ElementsAre(32768));
  config.set_max_queue_size(0);

  EXPECT_THAT(Open(config).value()->max_queue_sizes(), testing::ElementsAre(256));
}

}  // namespace
}  // namespace touchstone
