// Snapshots of a machine on the fake hypervisor.

#include "vmm/control/snapshot_taker.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "base/clock.h"
#include "base/event/epoll_loop.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "hypervisor/fake/fake_hypervisor.h"
#include "vmm/config/defaults.h"
#include "vmm/machine/boot/boot_testing.h"
#include "vmm/machine/build_machine.h"
#include "vmm/snapshot/snapshot.h"

namespace touchstone {
namespace {

using ::testing::HasSubstr;

ScopedFd MemoryFile() { return ScopedFd(memfd_create("test", MFD_CLOEXEC)); }

class SnapshotTakerTest : public testing::Test {
 protected:
  SnapshotTakerTest() : loop_(*EpollLoop::Create()), kernel_(MemoryFile()) {
    const std::vector<uint8_t> image = BuildBzImage({});
    EXPECT_EQ(write(kernel_.get(), image.data(), image.size()), static_cast<ssize_t>(image.size()));
    config_.set_kernel("/proc/self/fd/" + std::to_string(kernel_.get()));
    config_.set_disable_sandbox(true);
    config_.mutable_mem()->set_size(256);
    config_.add_serial()->set_type(SerialConfig::SINK);
    ApplyDefaults(config_);
    machine_ = *BuildMachine(config_, {&hypervisor_, loop_.get(), &SystemClock()}, [] {});
    taker_.emplace(*machine_, *loop_, [this](Machine& machine) -> absl::StatusOr<std::string> {
      EXPECT_TRUE(machine.suspended() && machine.devices_asleep());
      if (!failure_.ok()) return failure_;
      return "the state";
    });
    machine_->Start();
  }
  ~SnapshotTakerTest() override { machine_->Stop(); }

  void Take(std::vector<ScopedFd> files, std::function<bool()> waits = nullptr,
            bool compress = false) {
    ControlRequest request;
    request.set_compress(compress);
    answer_.reset();
    taker_->Take(request, {.files = std::move(files), .waits = std::move(waits)},
                 [this](const ControlResponse& response) {
                   if (!response.more()) answer_ = response;
                 });
  }
  std::vector<ScopedFd> Files() const {
    std::vector<ScopedFd> files;
    files.push_back(*machine_file_.Duplicate());
    files.push_back(*memory_file_.Duplicate());
    return files;
  }
  ControlResponse Answer() {
    for (int i = 0; i < 4000 && !answer_.has_value(); ++i) loop_->RunOnce(absl::Milliseconds(100));
    EXPECT_TRUE(answer_.has_value());
    return answer_.value_or(ControlResponse());
  }
  // What became of it is an error, and the machine goes on.
  void ExpectError(int error, const std::string& text) {
    const ControlResponse answer = Answer();
    EXPECT_EQ(answer.error(), error);
    EXPECT_THAT(answer.text(), HasSubstr(text));
    EXPECT_FALSE(taker_->busy());
    EXPECT_FALSE(machine_->suspended());
    EXPECT_FALSE(machine_->devices_asleep());
  }

  FakeHypervisor hypervisor_;
  std::unique_ptr<EpollLoop> loop_;
  ScopedFd kernel_;
  RunConfig config_;
  std::unique_ptr<Machine> machine_;
  ScopedFd machine_file_ = MemoryFile();
  ScopedFd memory_file_ = MemoryFile();
  absl::Status failure_;
  std::optional<ControlResponse> answer_;
  std::optional<SnapshotTaker> taker_;
};

TEST_F(SnapshotTakerTest, WritesStateAndMemoryAndLetsTheMachineGoOn) {
  for (const bool compress : {false, true}) {
    ASSERT_EQ(ftruncate(machine_file_.get(), 0), 0);
    ASSERT_EQ(ftruncate(memory_file_.get(), 0), 0);

    Take(Files(), nullptr, compress);
    EXPECT_TRUE(machine_->suspended());

    EXPECT_EQ(Answer().error(), 0) << Answer().text();
    EXPECT_FALSE(machine_->suspended());
    EXPECT_FALSE(machine_->devices_asleep());
    const auto snapshot = Snapshot::Read(machine_file_.get(), *memory_file_.Duplicate());
    ASSERT_TRUE(snapshot.ok()) << snapshot.status();
    EXPECT_EQ(snapshot->machine(), "the state");
    EXPECT_EQ(snapshot->memory_map().compressed(), compress);
    EXPECT_TRUE(snapshot->memory_map().CheckAgainst(machine_->memory()).ok());
    EXPECT_TRUE(CheckMemory(*snapshot).ok());
  }
}

TEST_F(SnapshotTakerTest, AMachineThatStoodStillDoesSoAfterwards) {
  machine_->Suspend(nullptr);
  Take(Files());

  EXPECT_EQ(Answer().error(), 0);
  EXPECT_TRUE(machine_->suspended());
  EXPECT_FALSE(machine_->devices_asleep());
}

TEST_F(SnapshotTakerTest, DevicesThatSleptDoSoAfterwards) {
  machine_->Suspend(nullptr);
  while (!machine_->SleepDevices().ok()) usleep(1000);
  Take(Files());

  EXPECT_EQ(Answer().error(), 0);
  EXPECT_TRUE(machine_->devices_asleep());
}

TEST_F(SnapshotTakerTest, OneAtATime) {
  Take(Files());
  std::optional<ControlResponse> second;
  taker_->Take({}, {.files = Files(), .waits = nullptr},
               [&second](const ControlResponse& response) { second = response; });

  ASSERT_TRUE(second.has_value());
  EXPECT_EQ(second->error(), EBUSY);
  EXPECT_EQ(Answer().error(), 0);
}

TEST_F(SnapshotTakerTest, WhatCannotBeSavedIsNamed) {
  failure_ = absl::FailedPreconditionError("fs /tmp: its state is its own");
  Take(Files());
  ExpectError(EOPNOTSUPP, "its state is its own");

  failure_ = absl::InternalError("KVM_GET_REGS");
  Take(Files());
  ExpectError(EIO, "KVM_GET_REGS");
}

TEST_F(SnapshotTakerTest, AFileThatCannotGrowIsAnError) {
  ASSERT_EQ(fcntl(memory_file_.get(), F_ADD_SEALS, F_SEAL_GROW), -1);  // Not allowed here.
  ScopedFd sealed(memfd_create("test", MFD_CLOEXEC | MFD_ALLOW_SEALING));
  ASSERT_EQ(fcntl(sealed.get(), F_ADD_SEALS, F_SEAL_GROW), 0);
  for (const bool memory : {false, true}) {
    std::vector<ScopedFd> files = Files();
    files[memory ? 1 : 0] = *sealed.Duplicate();
    ASSERT_EQ(ftruncate(memory_file_.get(), 0), 0);
    Take(std::move(files));
    ExpectError(EIO, "Operation not permitted");
  }
}

TEST_F(SnapshotTakerTest, AClientThatLeavesEndsIt) {
  int asked = 0;
  Take(Files(), [&asked] { return ++asked < 3; });

  ExpectError(ECANCELED, "nobody waits");
  EXPECT_EQ(asked, 3);
}

// Whatever it may be, it is not written to.
TEST_F(SnapshotTakerTest, OnlyEmptyRegularFilesAreWrittenTo) {
  const auto refuses = [this](ScopedFd file) {
    std::vector<ScopedFd> files = Files();
    files[1] = std::move(file);
    Take(std::move(files));
    ExpectError(EINVAL, "no empty regular file");
  };
  int ends[2];
  ASSERT_EQ(pipe2(ends, O_CLOEXEC), 0);
  const ScopedFd reader(ends[0]);
  refuses(ScopedFd(ends[1]));
  ASSERT_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
  const ScopedFd other(ends[0]);
  refuses(ScopedFd(ends[1]));
  refuses(ScopedFd(open("/dev/null", O_RDWR | O_CLOEXEC)));
  refuses(ScopedFd(open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC)));
  refuses(ScopedFd(open("/proc/self/exe", O_RDONLY | O_CLOEXEC)));
  ScopedFd full = MemoryFile();
  ASSERT_EQ(write(full.get(), "x", 1), 1);
  refuses(std::move(full));
  ScopedFd appends = MemoryFile();
  ASSERT_EQ(fcntl(appends.get(), F_SETFL, O_APPEND), 0);
  refuses(std::move(appends));
}

TEST_F(SnapshotTakerTest, WithoutBothFilesNothingIsTaken) {
  std::vector<ScopedFd> files;
  files.push_back(*machine_file_.Duplicate());
  Take(std::move(files));

  ExpectError(EINVAL, "1 files came along, not 2");
}

}  // namespace
}  // namespace touchstone
