// Devices in real jails, driven over their vhost-user front ends.

#include "vmm/machine/device_host.h"

#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>
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
#include "devices/virtio/block/block_format.h"
#include "devices/virtio/block/block_request.h"
#include "devices/virtio/testing/direct_host.h"
#include "devices/virtio/testing/guest_driver.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "vmm/machine/hosted_device.h"
#include "vmm/machine/jail_requests.h"

namespace touchstone {
namespace {

using ::testing::Contains;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::SizeIs;

DeviceHost::Options Options() { return {.executable = "vmm/machine/jailed_device_main"}; }

JailRequest Named(const std::string& name, JailRequest request) {
  request.config.set_name(name);
  return request;
}

// Of this process.
std::vector<pid_t> Children() {
  std::ifstream file("/proc/thread-self/children");
  return {std::istream_iterator<pid_t>(file), std::istream_iterator<pid_t>()};
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
  DeviceHost jails(*loop_, Options());
  absl::StatusOr<std::unique_ptr<HostedDevice>> rng = jails.Host(Named("rng", RngJail()));
  ASSERT_EQ(rng.status(), absl::OkStatus());
  DirectHost host(**rng, MemoryFor(1));
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
  DeviceHost jails(*loop_, Options());
  absl::StatusOr<std::unique_ptr<HostedDevice>> rng = jails.Host(Named("rng", RngJail()));
  ASSERT_EQ(rng.status(), absl::OkStatus());
  DirectHost host(**rng, MemoryFor(1));
  GuestDriver guest(host, {});
  guest.Start();
  testing::internal::CaptureStderr();
  ASSERT_THAT(Children(), SizeIs(1));
  EXPECT_EQ(kill(Children()[0], SIGKILL), 0);
  for (int i = 0; i < 100 && !host.needs_reset(); ++i) loop_->RunOnce(absl::Milliseconds(20));

  EXPECT_TRUE(host.needs_reset());
  for (int i = 0; i < 20; ++i) loop_->RunOnce(absl::Milliseconds(5));
  host.Reset();
  EXPECT_THAT(testing::internal::GetCapturedStderr(),
              HasSubstr("a device is lost: rng was killed by signal 9 (Killed)"));
}

TEST_F(DeviceHostTest, ADeathIsExplained) {
  DeviceHost::Options options = Options();
  char directory[] = "/tmp/policies.XXXXXX";
  ASSERT_NE(mkdtemp(directory), nullptr);
  // All but what the rng is for.
  std::ofstream(absl::StrCat(directory, "/rng_device.policy"))
      << "@default log\n{getrandom, mkdir}: kill\n";
  options.filters.directory = directory;
  DeviceHost jails(*loop_, options);
  absl::StatusOr<std::unique_ptr<HostedDevice>> rng = jails.Host(Named("rng", RngJail()));
  ASSERT_EQ(rng.status(), absl::OkStatus());
  DirectHost host(**rng, MemoryFor(1));
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

  JailRequest Disk() const {
    BlockConfig config;
    config.set_path(path_);
    return Named("block vda", BlockJail(config, GetParam(), 2).value().request);
  }

  std::string path_;
};

TEST_P(JailedBlockTest, ReadsWritesAndFlushes) {
  DeviceHost jails(*loop_, Options());
  absl::StatusOr<std::unique_ptr<HostedDevice>> block = jails.Host(Disk());
  ASSERT_EQ(block.status(), absl::OkStatus());
  DirectHost host(**block, MemoryFor(kBlockQueues));
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

// A host's or a user's mistake, which nobody has to ask the device to hear of.
TEST_F(DeviceHostTest, ADeviceThatCannotBeMadeIsAFailure) {
  JailRequest request = Named("rng", RngJail());
  request.config.mutable_block()->mutable_block()->set_path("/nowhere");
  absl::Status failure;
  DeviceHost::Options options = Options();
  options.failed = [&](const absl::Status& why) { failure = why; };
  DeviceHost jails(*loop_, options);
  testing::internal::CaptureStderr();
  const absl::StatusOr<std::unique_ptr<HostedDevice>> device = jails.Host(request);
  ASSERT_EQ(device.status(), absl::OkStatus());
  for (int i = 0; i < 1000 && failure.ok(); ++i) loop_->RunOnce(absl::Milliseconds(20));

  EXPECT_THAT(failure.message(), HasSubstr("rng exited with status 1"));
  EXPECT_EQ((*device)->features(), 0u);
  EXPECT_FALSE((*device)->Attach({}).ok());
  EXPECT_THAT(testing::internal::GetCapturedStderr(), HasSubstr("/nowhere"));
}

TEST_F(DeviceHostTest, ARequestMakesAsManyProcessesAsWanted) {
  const JailRequest request = Named("rng", RngJail());
  DeviceHost jails(*loop_, Options());
  absl::StatusOr<std::unique_ptr<HostedDevice>> first = jails.Host(request);
  absl::StatusOr<std::unique_ptr<HostedDevice>> second = jails.Host(request);
  ASSERT_TRUE(first.ok() && second.ok());
  EXPECT_THAT(Children(), SizeIs(2));
  EXPECT_NE((*first)->features(), 0u);
  EXPECT_EQ((*first)->features(), (*second)->features());
}

TEST_F(DeviceHostTest, AWrongPolicyIsAnError) {
  DeviceHost::Options options = Options();
  options.filters.directory = "/nowhere";
  EXPECT_THAT(DeviceHost(*loop_, options).Host(Named("rng", RngJail())).status().message(),
              HasSubstr("--seccomp-policy-dir: open /nowhere/rng_device.policy"));
}

TEST(DeviceHost, WantedUnlessForbidden) {
  RunConfig config;
  EXPECT_TRUE(DeviceHost::Wanted(config));
  config.set_pivot_root("/var/empty");
  EXPECT_TRUE(DeviceHost::Wanted(config));
  config.set_disable_sandbox(true);
  EXPECT_FALSE(DeviceHost::Wanted(config));
}

}  // namespace
}  // namespace touchstone
