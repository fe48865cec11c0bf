// Requests to a machine on the fake hypervisor.

#include "vmm/control/machine_control.h"

#include <errno.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/time/time.h"
#include "base/clock.h"
#include "base/event/epoll_loop.h"
#include "base/event/manual_loop.h"
#include "base/fd_socket.h"
#include "base/scoped_fd.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "hypervisor/fake/fake_hypervisor.h"
#include "vmm/config/defaults.h"
#include "vmm/control/control_message.h"
#include "vmm/machine/boot/boot_testing.h"
#include "vmm/machine/build_machine.h"

namespace touchstone {
namespace {

using ::testing::HasSubstr;

constexpr uint16_t kPm1Status = 0x600;
constexpr uint16_t kPm1Control = 0x604;
constexpr uint16_t kIdlePort = 0x610;
constexpr uint16_t kGpe0Status = 0x620;
constexpr uint32_t kStandby = 1u << 10 | 1u << 13;

class MachineControlTest : public testing::Test {
 protected:
  MachineControlTest() : loop_(*EpollLoop::Create()), kernel_(memfd_create("kernel", MFD_CLOEXEC)) {
    const std::vector<uint8_t> image = BuildBzImage({});
    EXPECT_EQ(write(kernel_.get(), image.data(), image.size()), static_cast<ssize_t>(image.size()));
    config_.set_kernel("/proc/self/fd/" + std::to_string(kernel_.get()));
    config_.set_disable_sandbox(true);
    config_.mutable_mem()->set_size(64);
    config_.set_socket("/s");
    SerialConfig& com1 = *config_.add_serial();
    com1.set_type(SerialConfig::SINK);
  }
  ~MachineControlTest() override {
    if (machine_ != nullptr) machine_->Stop();
  }

  void Start() {
    ApplyDefaults(config_);
    auto machine = BuildMachine(config_, {&hypervisor_, loop_.get(), &SystemClock()}, [] {});
    ASSERT_TRUE(machine.ok()) << machine.status();
    machine_ = *std::move(machine);
    control_.emplace(*machine_, *loop_, config_.s2idle(),
                     [](Machine&) -> absl::StatusOr<std::string> { return "state"; });
    machine_->Start();
  }
  // The answer, once it is there.
  ControlResponse Ask(ControlRequest::Command command, bool full = false, uint32_t number = 0,
                      uint64_t size = 0, bool wait = false) {
    ControlRequest request;
    request.set_size(size);
    request.set_wait(wait);
    request.set_command(command);
    request.set_full(full);
    request.set_number(number);
    std::optional<ControlResponse> answer;
    control_->Obey(request, {}, [&answer](const ControlResponse& response) { answer = response; });
    for (int i = 0; i < 400 && !answer.has_value(); ++i) loop_->RunOnce(absl::Milliseconds(100));
    return answer.value_or(ControlError(-1, "no answer"));
  }
  // What a read step of the vCPU's script is answered with, once it was carried out.
  uint64_t Value(FakeVcpu& vcpu, size_t step) {
    // A read is completed by the next Run.
    while (!vcpu.AnswerValue(step).has_value()) {
      vcpu.Kick();
      usleep(100);
    }
    return *vcpu.AnswerValue(step);
  }
  FakeVcpu& vcpu() { return *hypervisor_.vm()->vcpu(0); }

  FakeHypervisor hypervisor_;
  std::unique_ptr<EpollLoop> loop_;
  ScopedFd kernel_;
  RunConfig config_;
  std::unique_ptr<Machine> machine_;
  std::optional<MachineControl> control_;
};

TEST_F(MachineControlTest, TheStatusShowsVcpusAndDevices) {
  Start();

  const ControlResponse response = Ask(ControlRequest::STATUS);

  EXPECT_EQ(response.error(), 0);
  const MachineStatus& status = response.status();
  EXPECT_EQ(status.pid(), static_cast<uint32_t>(getpid()));
  EXPECT_EQ(status.state(), MachineStatus::RUNNING);
  EXPECT_EQ(status.memory(), uint64_t{64} << 20);
  ASSERT_EQ(status.vcpus_size(), 1);
  EXPECT_EQ(status.vcpus(0).exits_size(), status.exit_names_size());
  EXPECT_EQ(status.counter_names(0), "entries");
  EXPECT_EQ(status.vcpus(0).counters_size(), 1);
  ASSERT_GT(status.devices_size(), 2);
  EXPECT_EQ(status.devices(0).address(), "00:00.0");
  EXPECT_FALSE(status.devices(0).has_device_id());
  EXPECT_EQ(status.devices(1).device_id(), 4u);
  EXPECT_EQ(status.devices(1).queues(0).size(), 256u);
  EXPECT_FALSE(status.devices(1).queues(0).running());
}

TEST_F(MachineControlTest, TheStatusTellsASuspendedMachine) {
  Start();
  Ask(ControlRequest::SUSPEND);
  EXPECT_EQ(Ask(ControlRequest::STATUS).status().state(), MachineStatus::SUSPENDED);
  EXPECT_EQ(Ask(ControlRequest::STATUS).status().vcpus(0).state(), MachineStatus::WAITING);
  Ask(ControlRequest::SUSPEND, /*full=*/true);
  EXPECT_EQ(Ask(ControlRequest::STATUS).status().state(), MachineStatus::SUSPENDED_FULLY);
  Ask(ControlRequest::RESUME, /*full=*/true);
  EXPECT_EQ(Ask(ControlRequest::STATUS).status().state(), MachineStatus::RUNNING);
}

TEST_F(MachineControlTest, StopEndsTheRun) {
  Start();

  EXPECT_EQ(Ask(ControlRequest::STOP).error(), 0);

  EXPECT_EQ(machine_->lifecycle().end(), EndOfRun::kStopped);
}

TEST_F(MachineControlTest, ADiskIsResizedByItsNumber) {
  const ScopedFd file(memfd_create("disk", 0));
  ASSERT_EQ(ftruncate(file.get(), 4096), 0);
  for (const bool read_only : {false, true}) {
    BlockConfig& disk = *config_.add_block();
    disk.set_path(absl::StrCat("/proc/self/fd/", file.get()));
    disk.set_lock(false);
    disk.set_ro(read_only);
  }
  Start();

  EXPECT_EQ(Ask(ControlRequest::DISK_RESIZE, false, 0, 8192).error(), 0);
  struct stat status = {};
  ASSERT_EQ(fstat(file.get(), &status), 0);
  EXPECT_EQ(status.st_size, 8192);
  EXPECT_EQ(Ask(ControlRequest::DISK_RESIZE, false, 1, 4096).error(), EROFS);
  const ControlResponse odd = Ask(ControlRequest::DISK_RESIZE, false, 0, 1000);
  EXPECT_EQ(odd.error(), EIO);
  EXPECT_EQ(odd.text(), "disk 0: the size is not a multiple of 512");
  const ControlResponse none = Ask(ControlRequest::DISK_RESIZE, false, 2, 4096);
  EXPECT_EQ(none.error(), ENODEV);
  EXPECT_THAT(none.text(), HasSubstr("there is no disk 2: the machine has 2"));
}

TEST_F(MachineControlTest, AConsoleTakesASocket) {
  config_.add_serial()->set_hardware(SerialConfig::VIRTIO_CONSOLE);
  config_.mutable_serial(1)->set_type(SerialConfig::SINK);
  Start();
  ControlRequest request;
  request.set_command(ControlRequest::CONSOLE);
  ControlResponse answer;
  const auto attach = [&](ControlServer::Caller caller) {
    control_->Obey(request, std::move(caller),
                   [&answer](const ControlResponse& response) { answer = response; });
    return answer.error();
  };
  auto pair = FdSocket::CreatePair(FdSocket::Kind::kStream).value();
  ControlServer::Caller caller;
  caller.files.push_back(std::move(pair.second).Release());

  EXPECT_EQ(attach(std::move(caller)), 0);
  EXPECT_EQ(answer.text(), "COM1");
  EXPECT_EQ(machine_->platform().consoles()[0].hub->clients(), 1u);
  EXPECT_EQ(attach({}), EINVAL);
  caller = {};
  caller.files.emplace_back(dup(kernel_.get()));
  EXPECT_EQ(attach(std::move(caller)), EINVAL);
  request.set_number(1);
  EXPECT_EQ(attach({}), EOPNOTSUPP);
  EXPECT_THAT(answer.text(), HasSubstr("virtio-console 1 cannot be attached to, serial ports can; "
                                       "--index=0: COM1"));
  request.set_number(9);
  EXPECT_EQ(attach({}), ENODEV);
}

TEST_F(MachineControlTest, WorkingSetsAreNotThere) {
  Start();

  EXPECT_EQ(Ask(ControlRequest::BALLOON_WORKING_SET).error(), EOPNOTSUPP);
}

TEST_F(MachineControlTest, ASuspendedMachineRunsNothing) {
  config_.mutable_cpus()->set_num_cores(3);
  Start();

  ASSERT_EQ(Ask(ControlRequest::SUSPEND).error(), 0);
  vcpu().Script(FakeExit::Out(0x80, 1, 1));
  usleep(20000);
  EXPECT_EQ(vcpu().remaining(), 1u);
  EXPECT_EQ(Ask(ControlRequest::SUSPEND).error(), 0);
  EXPECT_EQ(Ask(ControlRequest::RESUME).error(), 0);

  while (vcpu().remaining() > 0) usleep(100);
  EXPECT_FALSE(machine_->suspended());
}

TEST_F(MachineControlTest, AMachineMayBeginSuspended) {
  hypervisor_.OnVcpu([](FakeVcpu& vcpu) { vcpu.Script(FakeExit::Out(0x80, 1, 1)); });
  ApplyDefaults(config_);
  machine_ = *BuildMachine(config_, {&hypervisor_, loop_.get(), &SystemClock()}, [] {});
  control_.emplace(*machine_, *loop_, config_.s2idle(),
                   [](Machine&) -> absl::StatusOr<std::string> { return "state"; });
  machine_->Suspend(nullptr);
  machine_->Start();
  EXPECT_EQ(Ask(ControlRequest::SUSPEND).error(), 0);
  EXPECT_EQ(vcpu().remaining(), 1u);

  EXPECT_EQ(Ask(ControlRequest::RESUME, /*full=*/true).error(), 0);

  while (vcpu().remaining() > 0) usleep(100);
}

TEST_F(MachineControlTest, DevicesThatSleepAreWokenByName) {
  Start();
  ASSERT_EQ(Ask(ControlRequest::SUSPEND, /*full=*/true).error(), 0);
  EXPECT_TRUE(machine_->devices_asleep());

  const ControlResponse refused = Ask(ControlRequest::RESUME);
  EXPECT_EQ(refused.error(), EINVAL);
  EXPECT_THAT(refused.text(), HasSubstr("resume --full"));
  EXPECT_TRUE(machine_->suspended());
  EXPECT_EQ(Ask(ControlRequest::RESUME, /*full=*/true).error(), 0);

  EXPECT_FALSE(machine_->devices_asleep());
  EXPECT_FALSE(machine_->suspended());
}

TEST_F(MachineControlTest, AResumeThatComesFirstIsSaid) {
  Start();
  std::optional<ControlResponse> answer;
  ControlRequest request;
  request.set_command(ControlRequest::SUSPEND);
  request.set_full(true);
  control_->Obey(request, {}, [&answer](const ControlResponse& response) { answer = response; });

  // No turn of the loop has told that all vCPUs wait.
  EXPECT_EQ(Ask(ControlRequest::RESUME).error(), 0);
  while (!answer.has_value()) loop_->RunOnce(absl::Milliseconds(100));

  EXPECT_EQ(answer->error(), ECANCELED);
  EXPECT_FALSE(machine_->devices_asleep());
}

TEST_F(MachineControlTest, WhileASnapshotIsTakenTheMachineStandsStill) {
  Start();
  ControlServer::Caller caller;
  for (int i = 0; i < 2; ++i) caller.files.emplace_back(memfd_create("test", MFD_CLOEXEC));
  ControlRequest request;
  request.set_command(ControlRequest::SNAPSHOT_TAKE);
  std::optional<ControlResponse> answer;
  control_->Obey(request, std::move(caller), [&answer](const ControlResponse& response) {
    if (!response.more()) answer = response;
  });

  // Before the loop has turned.
  std::vector<int> errors;
  for (const auto command : {ControlRequest::RESUME, ControlRequest::SUSPEND}) {
    request.set_command(command);
    control_->Obey(request, {}, [&errors](const ControlResponse& response) {
      errors.push_back(response.error());
    });
  }
  for (int i = 0; i < 400 && !answer.has_value(); ++i) loop_->RunOnce(absl::Milliseconds(100));

  EXPECT_EQ(errors, std::vector<int>({EBUSY, EBUSY}));
  ASSERT_TRUE(answer.has_value());
  EXPECT_EQ(answer->error(), 0);
  EXPECT_EQ(Ask(ControlRequest::SUSPEND).error(), 0);
}

TEST_F(MachineControlTest, ASuspendedMachineStops) {
  Start();
  ASSERT_EQ(Ask(ControlRequest::SUSPEND, /*full=*/true).error(), 0);

  EXPECT_EQ(Ask(ControlRequest::STOP).error(), 0);
  machine_->Stop();

  EXPECT_EQ(machine_->lifecycle().end(), EndOfRun::kStopped);
}

TEST_F(MachineControlTest, ButtonsAreStatusBits) {
  Start();

  EXPECT_EQ(Ask(ControlRequest::POWER_BUTTON).error(), 0);
  EXPECT_EQ(Value(vcpu(), vcpu().Script(FakeExit::In(kPm1Status, 2))), 1u << 8);
  EXPECT_EQ(Ask(ControlRequest::SLEEP_BUTTON).error(), 0);
  EXPECT_EQ(Value(vcpu(), vcpu().Script(FakeExit::In(kPm1Status, 2))), 3u << 8);
}

TEST_F(MachineControlTest, EventsAreStatusBits) {
  Start();

  EXPECT_EQ(Ask(ControlRequest::GPE, false, 0).error(), 0);
  EXPECT_EQ(Ask(ControlRequest::GPE, false, 9).error(), 0);
  EXPECT_EQ(Ask(ControlRequest::GPE, false, 255).error(), 0);
  EXPECT_EQ(Ask(ControlRequest::GPE, false, 256).error(), EINVAL);

  EXPECT_EQ(Value(vcpu(), vcpu().Script(FakeExit::In(kGpe0Status, 2))), 0x0201u);
  EXPECT_EQ(Value(vcpu(), vcpu().Script(FakeExit::In(kGpe0Status + 31, 1))), 0x80u);
}

TEST_F(MachineControlTest, StandbyLastsUntilAButton) {
  Start();
  vcpu().Script(FakeExit::Out(kPm1Control, 2, kStandby));
  const size_t status = vcpu().Script(FakeExit::In(kPm1Status, 2));
  usleep(20000);
  EXPECT_EQ(vcpu().remaining(), 1u);

  EXPECT_EQ(Ask(ControlRequest::POWER_BUTTON).error(), 0);

  EXPECT_EQ(Value(vcpu(), status), 1u << 15 | 1u << 8);
}

TEST_F(MachineControlTest, ResumeEndsStandby) {
  Start();
  vcpu().Script(FakeExit::Out(kPm1Control, 2, kStandby));
  const size_t status = vcpu().Script(FakeExit::In(kPm1Status, 2));
  while (vcpu().remaining() > 1) usleep(100);
  usleep(20000);

  EXPECT_EQ(Ask(ControlRequest::RESUME).error(), 0);

  EXPECT_EQ(Value(vcpu(), status), 1u << 15);
}

TEST_F(MachineControlTest, WithS2idleTheGuestSleepsFirst) {
  config_.set_s2idle(true);
  Start();
  // A driver that sees the button and goes idle.
  const size_t button = vcpu().Script(FakeExit::In(kPm1Status, 2));
  vcpu().Script(FakeExit::Out(kIdlePort, 1, 1));

  ASSERT_EQ(Ask(ControlRequest::SUSPEND).error(), 0);
  EXPECT_TRUE(vcpu().AnswerValue(button).has_value());
  EXPECT_TRUE(machine_->suspended());
  EXPECT_EQ(Ask(ControlRequest::RESUME).error(), 0);

  EXPECT_FALSE(machine_->suspended());
  // Sleep button and power button.
  EXPECT_EQ(Value(vcpu(), vcpu().Script(FakeExit::In(kPm1Status, 2))), 3u << 8);
}

TEST_F(MachineControlTest, AGuestThatDoesNotGoToSleepIsGivenUpAfterItsPatience) {
  config_.set_s2idle(true);
  Start();
  ManualLoop time;
  MachineControl control(*machine_, time, /*s2idle=*/true, nullptr);
  ControlRequest request;
  request.set_command(ControlRequest::SUSPEND);
  std::optional<ControlResponse> answer;

  control.Obey(request, {}, [&answer](const ControlResponse& response) { answer = response; });
  time.Advance(absl::Milliseconds(14900));
  EXPECT_FALSE(answer.has_value());
  time.Advance(absl::Milliseconds(200));

  ASSERT_TRUE(answer.has_value());
  EXPECT_EQ(answer->error(), ETIMEDOUT);
  EXPECT_EQ(answer->text(), "the guest did not go to sleep within 15 s of its sleep button");
  EXPECT_FALSE(machine_->suspended());
}

TEST_F(MachineControlTest, AGuestThatGoesToSleepAtTheLastMomentIsHalted) {
  config_.set_s2idle(true);
  Start();
  ManualLoop time;
  MachineControl control(*machine_, time, /*s2idle=*/true, nullptr);
  ControlRequest request;
  request.set_command(ControlRequest::SUSPEND);
  std::optional<ControlResponse> answer;
  control.Obey(request, {}, [&answer](const ControlResponse& response) { answer = response; });
  time.Advance(absl::Milliseconds(14900));
  vcpu().Script(FakeExit::Out(kIdlePort, 1, 1));
  while (!machine_->platform().acpi_pm().idle()) usleep(100);

  time.Advance(absl::Milliseconds(60));
  for (int i = 0; i < 1000 && !answer.has_value(); ++i) {
    usleep(1000);
    time.RunReady();
  }

  ASSERT_TRUE(answer.has_value());
  EXPECT_EQ(answer->error(), 0);
  EXPECT_TRUE(machine_->suspended());
}

TEST_F(MachineControlTest, AGuestThatIsAwakeIsNotPressedToWake) {
  config_.set_s2idle(true);
  Start();

  EXPECT_EQ(Ask(ControlRequest::RESUME).error(), 0);

  EXPECT_EQ(Value(vcpu(), vcpu().Script(FakeExit::In(kPm1Status, 2))), 0u);
}

TEST_F(MachineControlTest, TheBalloonIsSetAndWaitedFor) {
  Start();

  EXPECT_EQ(Ask(ControlRequest::BALLOON, false, 0, 8 << 20).error(), 0);
  EXPECT_EQ(machine_->balloon()->target(), 8u << 20);
  // There is no driver that would fill it.
  const ControlResponse late = Ask(ControlRequest::BALLOON, false, 0, 8 << 20, /*wait=*/true);
  EXPECT_EQ(late.error(), ETIMEDOUT);
  EXPECT_THAT(late.text(), HasSubstr("holds 0 of 8388608 bytes"));
  EXPECT_EQ(Ask(ControlRequest::BALLOON, false, 0, 0, /*wait=*/true).error(), 0);
  EXPECT_EQ(Ask(ControlRequest::BALLOON_STATISTICS).error(), EAGAIN);
}

TEST_F(MachineControlTest, WithoutABalloonItsCommandsAreNotSupported) {
  config_.set_no_balloon(true);
  Start();

  EXPECT_EQ(Ask(ControlRequest::BALLOON, false, 0, 1 << 20).error(), EOPNOTSUPP);
  EXPECT_EQ(Ask(ControlRequest::BALLOON_STATISTICS).error(), EOPNOTSUPP);
}

TEST_F(MachineControlTest, WithoutRealtimeVcpusThereIsNothingToMake) {
  Start();

  EXPECT_EQ(Ask(ControlRequest::MAKE_REALTIME).error(), 0);
}

TEST_F(MachineControlTest, WhatItDoesNotKnowIsNotSupported) {
  Start();

  EXPECT_EQ(Ask(ControlRequest::UNKNOWN).error(), EOPNOTSUPP);
}

}  // namespace
}  // namespace touchstone
