// Devices in real jails, driven over their vhost-user front ends.

#include "vmm/machine/device_host.h"

#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/time/clock.h"
#include "base/event/epoll_loop.h"
#include "base/scoped_fd.h"
#include "devices/virtio/block/block.h"
#include "devices/virtio/block/block_format.h"
#include "devices/virtio/block/block_request.h"
#include "devices/virtio/rng/rng.h"
#include "devices/virtio/testing/direct_host.h"
#include "devices/virtio/testing/guest_driver.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "vmm/machine/jailed_device.h"

namespace touchstone {
namespace {

using ::testing::Contains;
using ::testing::HasSubstr;
using ::testing::Not;

DeviceHost::Options Options() { return {.executable = "vmm/machine/jailed_device_main"}; }

DeviceHost::Request RngRequest() {
  DeviceHost::Request request = {
      .policy = "rng_device",
      .device = {.device_id = Rng::kDeviceId, .queue_sizes = {Rng::kQueueSize}}};
  request.config.set_name("rng");
  request.config.mutable_rng();
  return request;
}

GuestMemory MemoryFor(size_t queues) {
  return GuestDriver::MemoryFor(queues, GuestDriver::kQueueMemory, GuestMemory::Backing::kMemfd);
}

// The next chain that comes back, after turns of the loop.
std::optional<DriverQueue::Used> Await(DriverQueue& queue) {
  for (const absl::Time end = absl::Now() + absl::Seconds(20); absl::Now() < end;) {
    if (std::optional<DriverQueue::Used> used = queue.PollUsed()) return used;
    absl::SleepFor(absl::Milliseconds(1));
  }
  return std::nullopt;
}

class DeviceHostTest : public testing::Test {
 protected:
  std::unique_ptr<EpollLoop> loop_ = *EpollLoop::Create();
};

TEST_F(DeviceHostTest, JailedRngServes) {
  const DeviceHost jails(*loop_, Options());
  absl::StatusOr<DeviceHost::Hosted> rng = jails.Host(RngRequest());
  ASSERT_EQ(rng.status(), absl::OkStatus());
  DirectHost host(*rng->device, MemoryFor(1));
  GuestDriver guest(host, {});
  guest.Start();
  guest.queue(0).Chain().Writable(256).Send();
  guest.Kick(0);

  const std::optional<DriverQueue::Used> used = Await(guest.queue(0));
  ASSERT_TRUE(used.has_value());
  EXPECT_EQ(used->length, 256u);
  EXPECT_THAT(used->data, Contains(Not(0)));
}

// Known escapes, 81.
TEST_F(DeviceHostTest, ADeadDeviceAsksForAReset) {
  const DeviceHost jails(*loop_, Options());
  absl::StatusOr<DeviceHost::Hosted> rng = jails.Host(RngRequest());
  ASSERT_EQ(rng.status(), absl::OkStatus());
  DirectHost host(*rng->device, MemoryFor(1));
  GuestDriver guest(host, {});
  guest.Start();
  testing::internal::CaptureStderr();
  rng->process.reset();
  for (int i = 0; i < 100 && !host.needs_reset(); ++i) loop_->RunOnce(absl::Milliseconds(20));

  EXPECT_TRUE(host.needs_reset());
  host.Reset();
  testing::internal::GetCapturedStderr();
}

TEST_F(DeviceHostTest, ADeathIsExplained) {
  DeviceHost::Options options = Options();
  char directory[] = "/tmp/policies.XXXXXX";
  ASSERT_NE(mkdtemp(directory), nullptr);
  // All but what the rng is for.
  std::ofstream(absl::StrCat(directory, "/rng_device.policy"))
      << "@default log\n{getrandom, mkdir}: kill\n";
  options.filters.directory = directory;
  const DeviceHost jails(*loop_, options);
  absl::StatusOr<DeviceHost::Hosted> rng = jails.Host(RngRequest());
  ASSERT_EQ(rng.status(), absl::OkStatus());
  DirectHost host(*rng->device, MemoryFor(1));
  GuestDriver guest(host, {});
  guest.Start();
  testing::internal::CaptureStderr();
  guest.queue(0).Chain().Writable(16).Send();
  guest.Kick(0);
  for (int i = 0; i < 100; ++i) loop_->RunOnce(absl::Milliseconds(5));

  EXPECT_TRUE(host.needs_reset());
  EXPECT_THAT(testing::internal::GetCapturedStderr(),
              HasSubstr("a device is lost: rng was killed: its policy does not allow system call "
                        "getrandom (318)"));
  std::filesystem::remove_all(directory);
}

class JailedBlockTest : public DeviceHostTest, public testing::WithParamInterface<AsyncExecutor> {
 protected:
  // A disk of one MiB, each sector of which begins with 'd'.
  void SetUp() override {
    char name[] = "/tmp/disk.XXXXXX";
    const ScopedFd disk(mkstemp(name));
    path_ = name;
    const std::string content(size_t{1} << 20, 'd');
    ASSERT_EQ(write(disk.get(), content.data(), content.size()), ssize_t{1} << 20);
  }
  void TearDown() override { std::filesystem::remove(path_); }

  DeviceHost::Request BlockRequest() const {
    DeviceHost::Request request = {
        .policy = "block_device",
        .device = {.device_id = Block::kDeviceId,
                   .queue_sizes = std::vector<uint16_t>(kBlockQueues, Block::kQueueSize),
                   .config_size = sizeof(BlockConfigSpace)}};
    request.config.set_name("block vda");
    JailedBlockConfig& block = *request.config.mutable_block();
    block.mutable_block()->set_path(absl::StrCat("/proc/self/fd/", kJailedDeviceFd));
    block.set_async_executor(GetParam());
    block.set_more_threads(1);
    request.fds.emplace_back(open(path_.c_str(), O_RDWR | O_CLOEXEC));
    return request;
  }

  std::string path_;
};

TEST_P(JailedBlockTest, ReadsWritesAndFlushes) {
  const DeviceHost jails(*loop_, Options());
  absl::StatusOr<DeviceHost::Hosted> block = jails.Host(BlockRequest());
  ASSERT_EQ(block.status(), absl::OkStatus());
  DirectHost host(*block->device, MemoryFor(kBlockQueues));
  GuestDriver guest(host, {});
  guest.Start();
  const auto request = [](uint8_t type, uint8_t sector) {
    return std::vector<uint8_t>{type, 0, 0, 0, 0, 0, 0, 0, sector, 0, 0, 0, 0, 0, 0, 0};
  };
  for (const uint16_t queue : {0, 1}) {
    DriverQueue& driver = guest.queue(queue);
    const uint8_t sector = static_cast<uint8_t>(2 + queue);
    driver.Chain()
        .Readable(request(1, sector))
        .Readable(std::vector<uint8_t>(512, 'w'))
        .Writable(1)
        .Send();
    guest.Kick(queue);
    EXPECT_EQ(Await(driver)->data, std::vector<uint8_t>{0});
    driver.Chain().Readable(request(4, 0)).Writable(1).Send();
    guest.Kick(queue);
    EXPECT_EQ(Await(driver)->data, std::vector<uint8_t>{0});
    driver.Chain().Readable(request(0, sector)).Writable(1024).Writable(1).Send();
    guest.Kick(queue);
    std::vector<uint8_t> expected(1025, 'd');
    std::fill_n(expected.begin(), 512, 'w');
    expected.back() = 0;
    EXPECT_EQ(Await(driver)->data, expected);
  }
  std::string content(4 * 512, '\0');
  std::ifstream(path_).read(content.data(), static_cast<std::streamsize>(content.size()));
  EXPECT_EQ(content, std::string(1024, 'd') + std::string(1024, 'w'));
}

INSTANTIATE_TEST_SUITE_P(Executors, JailedBlockTest, testing::Values(EPOLL, URING));

TEST_F(DeviceHostTest, ADeviceThatCannotBeMadeIsAnError) {
  DeviceHost::Request request = RngRequest();
  request.config.mutable_block()->mutable_block()->set_path("/nowhere");
  testing::internal::CaptureStderr();
  const absl::Status status = DeviceHost(*loop_, Options()).Host(std::move(request)).status();
  EXPECT_THAT(status.message(), HasSubstr("the jailed device rng"));
  EXPECT_THAT(testing::internal::GetCapturedStderr(), HasSubstr("/nowhere"));
}

TEST_F(DeviceHostTest, AWrongPolicyIsAnError) {
  DeviceHost::Options options = Options();
  options.filters.directory = "/nowhere";
  EXPECT_THAT(DeviceHost(*loop_, options).Host(RngRequest()).status().message(),
              HasSubstr("--seccomp-policy-dir: open /nowhere/rng_device.policy"));
}

TEST(DeviceHost, WantedByThreeOptionsUnlessForbidden) {
  RunConfig config;
  EXPECT_FALSE(DeviceHost::Wanted(config));
  config.set_seccomp_log_failures(true);
  EXPECT_TRUE(DeviceHost::Wanted(config));
  config.Clear();
  config.set_seccomp_policy_dir("/p");
  EXPECT_TRUE(DeviceHost::Wanted(config));
  config.Clear();
  config.set_pivot_root("/var/empty");
  EXPECT_TRUE(DeviceHost::Wanted(config));
  config.set_disable_sandbox(true);
  EXPECT_FALSE(DeviceHost::Wanted(config));
}

// How long it takes until a device answers; reported, not judged.
TEST_F(DeviceHostTest, StartUpTime) {
  const DeviceHost jails(*loop_, Options());
  std::vector<double> times;
  for (int i = 0; i < 11; ++i) {
    const absl::Time start = absl::Now();
    absl::StatusOr<DeviceHost::Hosted> rng = jails.Host(RngRequest());
    ASSERT_EQ(rng.status(), absl::OkStatus());
    times.push_back(absl::ToDoubleMilliseconds(absl::Now() - start));
  }
  std::sort(times.begin(), times.end());
  printf("a jailed rng answers after %.1f ms (median), %.1f to %.1f\n", times[5], times[0],
         times[10]);
}

}  // namespace
}  // namespace touchstone
