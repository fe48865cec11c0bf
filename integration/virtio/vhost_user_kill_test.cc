// kill -9 of `touchstone device block`, and of a jailed disk of a machine's, under load, and a new
// one each time: what was acknowledged is on the disk, everything is acknowledged once, and the
// driver notices nothing.
//
// No guest: a driver of our own behind the front end. --full kills as often as it takes to believe
// it.

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "base/event/loop_thread.h"
#include "base/mutex.h"
#include "base/unix_socket.h"
#include "devices/virtio/block/block_format.h"
#include "devices/virtio/core/virtio_features.h"
#include "devices/virtio/testing/direct_host.h"
#include "devices/virtio/testing/guest_driver.h"
#include "devices/virtio/vhost_user/frontend.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "integration/testing/child_process.h"
#include "integration/testing/runfiles.h"
#include "integration/testing/test_files.h"
#include "integration/virtio/socket_folder.h"
#include "integration/virtio/test_run.h"
#include "vmm/machine/device_host.h"
#include "vmm/machine/hosted_device.h"
#include "vmm/machine/jail_requests.h"

namespace touchstone {
namespace {

constexpr uint32_t kSlots = 256;
constexpr uint32_t kSlotSize = 4096;
constexpr uint32_t kDepth = 24;
constexpr absl::Duration kPatience = absl::Seconds(60);

// The process of the device, of which there is one at a time.
class DeviceProcess {
 public:
  DeviceProcess(std::string socket, std::string disk)
      : socket_(std::move(socket)), disk_(std::move(disk)) {}

  // Starts one if there is none, and connects to it when it listens.
  absl::StatusOr<ScopedFd> Connect() {
    MutexLock lock(mutex_);
    if (child_ == nullptr) {
      absl::StatusOr<std::unique_ptr<ChildProcess>> child = ChildProcess::Start(
          {Runfile("vmm/touchstone"), "device", "block", absl::StrCat("--socket-path=", socket_),
           absl::StrCat("--block=", disk_)},
          ChildProcess::Streams::kPipes);
      if (!child.ok()) return child.status();
      child_ = *std::move(child);
    }
    return ConnectUnix(socket_, SOCK_STREAM);
  }
  // Returns when it is dead.
  void Kill() {
    MutexLock lock(mutex_);
    if (child_ == nullptr) return;
    child_->Signal(SIGKILL);
    EXPECT_EQ(child_->Wait(kPatience).value_or(-1), 128 + SIGKILL) << child_->errors();
    child_ = nullptr;
  }

 private:
  const std::string socket_;
  const std::string disk_;
  Mutex mutex_;
  std::unique_ptr<ChildProcess> child_ ABSL_GUARDED_BY(mutex_);
};

// Writes to slots of the disk, each with a number of its own in every word, and knows what has to
// be there.
class Writer {
 public:
  Writer(GuestDriver& guest, uint32_t seed) : guest_(guest), random_(seed) {}

  // Keeps requests in flight.
  void Work() {
    Collect();
    while (in_flight_.size() < kDepth) Write();
    guest_.Kick(0);
  }
  // Waits for all of them.
  bool Finish() {
    const absl::Time deadline = absl::Now() + kPatience;
    while (!in_flight_.empty() && absl::Now() < deadline) {
      Collect();
      absl::SleepFor(absl::Milliseconds(1));
    }
    return in_flight_.empty();
  }

  [[nodiscard]] uint64_t acknowledged() const { return acknowledged_; }
  [[nodiscard]] uint64_t failed() const { return failed_; }
  // What was acknowledged last of this slot.
  [[nodiscard]] uint64_t value(uint32_t slot) const { return values_[slot]; }

 private:
  struct Request {
    uint32_t slot = 0;
    uint64_t value = 0;
  };

  void Collect() {
    while (std::optional<DriverQueue::Used> used = guest_.queue(0).PollUsed()) {
      const Request request = in_flight_.at(used->id);
      in_flight_.erase(used->id);
      busy_[request.slot] = false;
      values_[request.slot] = request.value;
      ++acknowledged_;
      if (used->data.back() != 0) ++failed_;
    }
  }
  void Write() {
    Request request = {.slot = static_cast<uint32_t>(random_() % kSlots), .value = ++next_value_};
    while (busy_[request.slot]) request.slot = (request.slot + 1) % kSlots;
    busy_[request.slot] = true;
    const BlockHeader header = {
        .type = 1u, .reserved = 0u, .sector = uint64_t{request.slot} * kSlotSize / kBlockSector};
    std::vector<uint64_t> data(kSlotSize / sizeof(uint64_t), request.value);
    const auto* const bytes = reinterpret_cast<const uint8_t*>(data.data());
    const uint16_t id = guest_.queue(0)
                            .Chain()
                            .Readable({reinterpret_cast<const uint8_t*>(&header), sizeof(header)})
                            .Readable({bytes, kSlotSize})
                            .Writable(1)
                            .Send();
    in_flight_[id] = request;
  }

  GuestDriver& guest_;
  std::mt19937 random_;
  std::map<uint16_t, Request> in_flight_;
  std::vector<bool> busy_ = std::vector<bool>(kSlots);
  std::vector<uint64_t> values_ = std::vector<uint64_t>(kSlots);
  uint64_t next_value_ = 0;
  uint64_t acknowledged_ = 0;
  uint64_t failed_ = 0;
};

// Kills what works for the writer, often; whether it was always at work again in time.
bool KillUnderLoad(Writer& writer, int kills, const std::function<void()>& kill) {
  std::mt19937 random(7);
  uint64_t seen = 0;
  for (int i = 0; i < kills; ++i) {
    // There is a process that works.
    const absl::Time deadline = absl::Now() + kPatience;
    while (writer.acknowledged() < seen + 100 && absl::Now() < deadline) writer.Work();
    if (writer.acknowledged() < seen + 100) return false;
    // It lives long enough for the next one to be asked for at once.
    const absl::Time end =
        absl::Now() + VhostUserFrontend::kLongLife + absl::Microseconds(random() % 20000);
    while (absl::Now() < end) writer.Work();
    kill();
    seen = writer.acknowledged();
  }
  return writer.Finish();
}

// Slots of the disk that have something else than was acknowledged last of them.
std::vector<uint32_t> WrongSlots(int disk, const Writer& writer) {
  std::vector<uint32_t> wrong;
  std::vector<uint64_t> words(kSlotSize / sizeof(uint64_t));
  for (uint32_t slot = 0; slot < kSlots; ++slot) {
    const bool whole = pread(disk, words.data(), kSlotSize, off_t{slot} * kSlotSize) == kSlotSize;
    const auto right = std::count(words.begin(), words.end(), writer.value(slot));
    if (!whole || right != static_cast<ptrdiff_t>(words.size())) wrong.push_back(slot);
  }
  return wrong;
}

// Parameter: whether the rings are packed.
class VhostUserKillTest : public testing::TestWithParam<bool> {};

TEST_P(VhostUserKillTest, EveryAcknowledgedWriteIsThere) {
  const std::string disk = TemporaryPath("disk");
  const ScopedFd file(open(disk.c_str(), O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600));
  ASSERT_EQ(ftruncate(file.get(), off_t{kSlots} * kSlotSize), 0);
  const SocketFolder folder;
  DeviceProcess process(folder.File("disk"), absl::StrCat(disk, GetParam() ? ",packed-queue" : ""));
  const std::unique_ptr<LoopThread> thread = LoopThread::Start("front end").value();
  absl::StatusOr<ScopedFd> socket = process.Connect();
  for (const absl::Time deadline = absl::Now() + kPatience; !socket.ok() && absl::Now() < deadline;
       socket = process.Connect()) {
    absl::SleepFor(absl::Milliseconds(10));
  }
  std::unique_ptr<VhostUserFrontend> frontend =
      VhostUserFrontend::Create(*std::move(socket), thread->loop(),
                                {.device_id = 2,
                                 .queue_sizes = {256},
                                 .config_size = sizeof(BlockConfigSpace),
                                 .patience = kPatience,
                                 .connect = [&process] { return process.Connect(); },
                                 .replays = true})
          .value();
  DirectHost host(*frontend,
                  GuestDriver::MemoryFor(frontend->max_queue_sizes().size(),
                                         GuestDriver::kQueueMemory, GuestMemory::Backing::kMemfd));
  GuestDriver guest(host, {.features = kVirtioPackedRing, .queue_size = 128});
  guest.Start();
  Writer writer(guest, GetParam() ? 2 : 1);

  EXPECT_TRUE(KillUnderLoad(writer, IsFullRun() ? 500 : 50, [&process] { process.Kill(); }));

  EXPECT_EQ(writer.failed(), 0u);
  EXPECT_FALSE(host.needs_reset());
  EXPECT_THAT(WrongSlots(file.get(), writer), testing::IsEmpty());
  RecordProperty("acknowledged", static_cast<int64_t>(writer.acknowledged()));
  host.Reset();
  thread->Stop();
  process.Kill();
}

INSTANTIATE_TEST_SUITE_P(Rings, VhostUserKillTest, testing::Bool(),
                         [](const testing::TestParamInfo<bool>& info) {
                           return info.param ? "Packed" : "Split";
                         });

// The one child of this process, other than `old`, once there is one; -1 when none comes.
pid_t AwaitChild(pid_t old) {
  for (const absl::Time deadline = absl::Now() + kPatience; absl::Now() < deadline;) {
    for (const auto& thread : std::filesystem::directory_iterator("/proc/self/task")) {
      std::ifstream children(thread.path() / "children");
      for (pid_t child = -1; children >> child;) {
        if (child != old) return child;
      }
    }
  }
  return -1;
}

// What a machine has for a --block option.
class JailedBlockKillTest : public testing::TestWithParam<AsyncExecutor> {};

TEST_P(JailedBlockKillTest, EveryAcknowledgedWriteIsThere) {
  const std::string disk = TemporaryPath("jailed_disk");
  const ScopedFd file(open(disk.c_str(), O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600));
  ASSERT_EQ(ftruncate(file.get(), off_t{kSlots} * kSlotSize), 0);
  const std::unique_ptr<LoopThread> thread = LoopThread::Start("machine").value();
  DeviceHost jails(thread->loop(), {.executable = Runfile("vmm/touchstone")});
  BlockConfig config;
  config.set_path(disk);
  JailedBlock jailed = BlockJail(config, GetParam(), 1).value();
  auto request = std::make_shared<JailRequest>(std::move(jailed.request));
  request->config.set_name("block");
  std::unique_ptr<HostedDevice> device = jails.HostReplaceable(std::move(request)).value();
  DirectHost host(
      *device, GuestDriver::MemoryFor(device->max_queue_sizes().size(), GuestDriver::kQueueMemory,
                                      GuestMemory::Backing::kMemfd));
  GuestDriver guest(host, {.queue_size = 128});
  guest.Start();
  Writer writer(guest, 3);
  pid_t killed = -1;

  EXPECT_TRUE(KillUnderLoad(writer, IsFullRun() ? 100 : 20, [&killed] {
    killed = AwaitChild(killed);
    kill(killed, SIGKILL);
  }));

  EXPECT_EQ(writer.failed(), 0u);
  EXPECT_FALSE(host.needs_reset());
  EXPECT_THAT(WrongSlots(file.get(), writer), testing::IsEmpty());
  printf("%d writes acknowledged\n", static_cast<int>(writer.acknowledged()));
  host.Reset();
  thread->Stop();
}

INSTANTIATE_TEST_SUITE_P(Executors, JailedBlockKillTest, testing::Values(EPOLL, URING),
                         [](const testing::TestParamInfo<AsyncExecutor>& info) {
                           return info.param == EPOLL ? "Epoll" : "Uring";
                         });

}  // namespace
}  // namespace touchstone
