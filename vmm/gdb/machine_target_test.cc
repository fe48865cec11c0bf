// A debugger's target over the fake hypervisor, whose vCPUs stop when their script says so.

#include "vmm/gdb/machine_target.h"

#include <sys/mman.h>
#include <unistd.h>

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "base/clock.h"
#include "base/event/epoll_loop.h"
#include "base/scoped_fd.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "hypervisor/fake/fake_hypervisor.h"
#include "vmm/config/defaults.h"
#include "vmm/machine/boot/boot_testing.h"
#include "vmm/machine/build_machine.h"

namespace touchstone {
namespace {

using testing::IsEmpty;

using Reason = GdbStop::Reason;
using Kind = DebugControl::Breakpoint::Kind;

constexpr uint64_t kBreakpoint = 0x5000;
constexpr uint32_t kDebugException = 1;
constexpr uint32_t kBreakpointException = 3;

class MachineTargetTest : public testing::Test {
 protected:
  MachineTargetTest() : loop_(*EpollLoop::Create()), kernel_(memfd_create("kernel", MFD_CLOEXEC)) {
    const std::vector<uint8_t> image = BuildBzImage({});
    EXPECT_EQ(write(kernel_.get(), image.data(), image.size()), static_cast<ssize_t>(image.size()));
    RunConfig config;
    config.set_kernel("/proc/self/fd/" + std::to_string(kernel_.get()));
    config.set_disable_sandbox(true);
    config.mutable_mem()->set_size(64);
    config.mutable_cpus()->set_num_cores(2);
    config.add_serial()->set_type(SerialConfig::SINK);
    ApplyDefaults(config);
    machine_ = BuildMachine(config, {&hypervisor_, loop_.get(), &SystemClock()}, [] {}).value();
    target_.emplace(*machine_, *loop_);
    machine_->Start();
  }
  ~MachineTargetTest() override { machine_->Stop(); }

  FakeVcpu& vcpu(uint32_t index) { return *hypervisor_.vm()->vcpu(index); }
  void Halt() {
    bool halted = false;
    target_->Halt([&halted] { halted = true; });
    for (int i = 0; i < 100 && !halted; ++i) loop_->RunOnce(absl::Milliseconds(100));
    ASSERT_TRUE(halted);
  }
  GdbRun Run() {
    GdbRun run;
    run.vcpus.resize(2);
    return run;
  }
  void Resume(const GdbRun& run) {
    ASSERT_TRUE(target_->Resume(run, [this](const GdbStop& stop) { stops_.push_back(stop); }).ok());
  }
  // The next stop.
  std::optional<GdbStop> Await() {
    const size_t before = stops_.size();
    for (int i = 0; i < 100 && stops_.size() == before; ++i) {
      loop_->RunOnce(absl::Milliseconds(100));
    }
    if (stops_.size() == before) return std::nullopt;
    return stops_.back();
  }
  void Stops(uint32_t index, const DebugExit& exit) { vcpu(index).Script(FakeExit::Other(exit)); }
  void AwaitScript(uint32_t index) {
    while (vcpu(index).remaining() != 0) usleep(100);
  }

  FakeHypervisor hypervisor_;
  std::unique_ptr<EpollLoop> loop_;
  ScopedFd kernel_;
  std::unique_ptr<Machine> machine_;
  std::optional<MachineTarget> target_;
  std::vector<GdbStop> stops_;
};

TEST_F(MachineTargetTest, NothingRunsBeforeTheDebuggerSaysSo) {
  vcpu(0).Script(FakeExit::Out(0x80, 1, 1));
  Halt();
  EXPECT_EQ(vcpu(0).remaining(), 1u);

  Resume(Run());

  AwaitScript(0);
  target_->Interrupt();
  EXPECT_EQ(Await(), (GdbStop{.reason = Reason::kInterrupt}));
}

TEST_F(MachineTargetTest, StateIsReadAndWritten) {
  Halt();
  GdbCpuState state = target_->ReadState(1).value();
  state.general.rbx = 77;
  state.special.cr2 = 88;

  ASSERT_TRUE(target_->WriteState(1, state).ok());

  EXPECT_EQ(target_->ReadState(1).value(), state);
  EXPECT_NE(target_->ReadState(0).value(), state);
}

TEST_F(MachineTargetTest, BreakpointsAndStepsStopTheMachine) {
  Halt();
  GdbRun run = Run();
  run.breakpoints[1] = {.address = kBreakpoint};
  run.breakpoints[2] = {.address = 0x6000, .kind = Kind::kWrite, .size = 8};
  run.software = {0x7000};
  const std::vector<std::pair<DebugExit, GdbStop>> cases = {
      {{.rip = kBreakpoint, .dr6 = 2, .exception = kDebugException},
       {.reason = Reason::kHardware, .vcpu = 1, .address = kBreakpoint}},
      {{.rip = 1, .dr6 = 4, .exception = kDebugException},
       {.reason = Reason::kWrite, .vcpu = 1, .address = 0x6000}},
      {{.rip = 1, .dr6 = 1 << 14, .exception = kDebugException},
       {.reason = Reason::kStep, .vcpu = 1}},
      {{.rip = 0x7000, .dr6 = 0, .exception = kBreakpointException},
       {.reason = Reason::kSoftware, .vcpu = 1}},
  };
  for (const auto& [exit, stop] : cases) {
    Stops(1, exit);
    Resume(run);
    EXPECT_EQ(Await(), stop) << exit.rip;
  }
}

TEST_F(MachineTargetTest, EachVcpuDoesWhatItIsTold) {
  Halt();
  GdbRun run = Run();
  run.vcpus[0].runs = false;
  run.vcpus[1].step = true;
  vcpu(0).Script(FakeExit::Out(0x80, 1, 1));
  Stops(1, {.rip = 1, .dr6 = 1 << 14, .exception = kDebugException});

  Resume(run);

  EXPECT_EQ(Await()->reason, Reason::kStep);
  EXPECT_EQ(vcpu(0).remaining(), 1u);
}

TEST_F(MachineTargetTest, WatchpointsThatStopTogetherAreToldOneAfterTheOther) {
  Halt();
  GdbRun run = Run();
  run.breakpoints[0] = {.address = 0x6000, .kind = Kind::kWrite, .size = 8};
  Stops(0, {.rip = 1, .dr6 = 1, .exception = kDebugException});
  Stops(1, {.rip = 2, .dr6 = 1, .exception = kDebugException});

  Resume(run);
  const std::optional<GdbStop> first = Await();
  ASSERT_TRUE(first.has_value());
  Resume(run);
  const std::optional<GdbStop> second = Await();

  ASSERT_TRUE(second.has_value());
  EXPECT_EQ(first->vcpu + second->vcpu, 1u);
}

TEST_F(MachineTargetTest, GuestsOwnBreakpointsGoToTheGuest) {
  const uint8_t int3 = 0xCC;
  ASSERT_TRUE(target_->memory().Write(GuestAddress{0x8000}, {&int3, 1}).ok());
  Halt();
  GdbCpuState state = target_->ReadState(0).value();
  state.special.cr0 = 1;
  ASSERT_TRUE(target_->WriteState(0, state).ok());
  GdbRun run = Run();
  run.software = {0x7000};
  Stops(0, {.rip = 0x8000, .dr6 = 0, .exception = kBreakpointException});
  Stops(0, {.rip = 0x7000, .dr6 = 0, .exception = kBreakpointException});

  Resume(run);

  EXPECT_EQ(Await()->reason, Reason::kSoftware);
  EXPECT_THAT(stops_, testing::SizeIs(1));
  EXPECT_TRUE(vcpu(0).GetEvents()->exception_injected);
  EXPECT_EQ(vcpu(0).GetEvents()->exception_vector, 3);
}

TEST_F(MachineTargetTest, DetachedMachineRunsAndStopsForNothing) {
  Halt();
  GdbRun run = Run();
  run.software = {0x7000};
  Resume(run);

  target_->Detach();
  for (int i = 0; i < 3; ++i) loop_->RunOnce(absl::Milliseconds(50));
  vcpu(0).Script(FakeExit::Out(0x80, 1, 1));

  AwaitScript(0);
  EXPECT_THAT(stops_, IsEmpty());
}

TEST_F(MachineTargetTest, KillEndsTheRun) {
  target_->Kill();

  EXPECT_EQ(machine_->lifecycle().end(), EndOfRun::kStopped);
}

}  // namespace
}  // namespace touchstone
