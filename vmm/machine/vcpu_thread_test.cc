#include "vmm/machine/vcpu_thread.h"

#include <unistd.h>

#include <atomic>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "absl/time/time.h"
#include "base/clock.h"
#include "devices/bus/recording_bus_device.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "hypervisor/fake/fake_hypervisor.h"

namespace touchstone {
namespace {

using ::testing::ElementsAre;
using Access = RecordingBusDevice::Access;

// A vCPU that follows a script on a machine of one port device and one MMIO device.
class VcpuThreadTest : public testing::Test {
 protected:
  static constexpr uint16_t kPort = 0x100;
  static constexpr uint64_t kMmio = 0xD0000000;

  VcpuThreadTest() : vm_(*hypervisor_.CreateVm()) {
    EXPECT_TRUE(ports_.Insert({kPort, 8}, "ports", &port_device_).ok());
    EXPECT_TRUE(mmio_.Insert({kMmio, 8}, "mmio", &mmio_device_).ok());
    EXPECT_TRUE(vm_->CreateIrqChip().ok());
    std::unique_ptr<Vcpu> vcpu = *vm_->CreateVcpu(0, {});
    vcpu_ = hypervisor_.vm()->vcpu(0);
    thread_.emplace(std::move(vcpu), 0, VcpuThread::Targets{&ports_, &mmio_, &lifecycle_, &gate_});
  }

  // Runs the script, which ends with an exit that ends the run.
  void RunToEnd() {
    thread_->Start();
    while (!ended_) ended_.wait(false);
    thread_->Stop();
  }

  // In place of the vCPU, one with so many bus locks a second.
  void Limit(uint64_t bus_locks) {
    std::unique_ptr<Vcpu> vcpu = *vm_->CreateVcpu(1, {});
    vcpu_ = hypervisor_.vm()->vcpu(1);
    thread_.emplace(std::move(vcpu), 1,
                    VcpuThread::Targets{.ports = &ports_,
                                        .mmio = &mmio_,
                                        .lifecycle = &lifecycle_,
                                        .pause = &limited_gate_,
                                        .bus_locks_per_second = bus_locks});
  }

  FakeHypervisor hypervisor_;
  std::unique_ptr<Vm> vm_;
  Bus ports_{"port", Bus::kLastPort};
  Bus mmio_{"MMIO", Bus::kLastMmioAddress};
  RecordingBusDevice port_device_{0x10};
  RecordingBusDevice mmio_device_{0x20};
  std::atomic<bool> ended_{false};
  Lifecycle lifecycle_{[this] {
    ended_ = true;
    ended_.notify_all();
  }};
  PauseGate gate_;
  PauseGate limited_gate_;
  FakeVcpu* vcpu_;
  std::optional<VcpuThread> thread_;
};

TEST_F(VcpuThreadTest, WritesReachTheDevices) {
  vcpu_->Script(FakeExit::Out(kPort + 1, 2, 0xABCD));
  vcpu_->Script(FakeExit::MmioWrite(kMmio + 4, 4, 0x11223344));
  vcpu_->Script(FakeExit::Other(ShutdownExit{}));

  RunToEnd();

  EXPECT_THAT(port_device_.accesses(), ElementsAre(Access{true, 1, {0xCD, 0xAB}}));
  EXPECT_THAT(mmio_device_.accesses(), ElementsAre(Access{true, 4, {0x44, 0x33, 0x22, 0x11}}));
}

TEST_F(VcpuThreadTest, ExitsAreCountedByKind) {
  EXPECT_EQ(thread_->state(), VcpuThread::State::kNotStarted);
  vcpu_->Script(FakeExit::Out(kPort + 1, 2, 0xABCD));
  vcpu_->Script(FakeExit::In(kPort, 1));
  vcpu_->Script(FakeExit::MmioWrite(kMmio + 4, 4, 0x11223344));
  vcpu_->Script(FakeExit::Other(ShutdownExit{}));

  RunToEnd();

  const VcpuThread::ExitCounts counts = thread_->exit_counts();
  EXPECT_EQ(counts[VcpuExit(IoExit{}).index()], 2u);
  EXPECT_EQ(counts[VcpuExit(MmioExit{}).index()], 1u);
  EXPECT_EQ(counts[VcpuExit(ShutdownExit{}).index()], 1u);
  EXPECT_EQ(thread_->state(), VcpuThread::State::kEnded);
}

TEST_F(VcpuThreadTest, ReadsAreAnswered) {
  const size_t in = vcpu_->Script(FakeExit::In(kPort + 2, 1));
  const size_t load = vcpu_->Script(FakeExit::MmioRead(kMmio, 2));
  vcpu_->Script(FakeExit::Other(ShutdownExit{}));

  RunToEnd();

  EXPECT_EQ(vcpu_->AnswerValue(in), 0x12);
  EXPECT_EQ(vcpu_->AnswerValue(load), 0x2120);
}

TEST_F(VcpuThreadTest, AnEndOfInterruptThatNobodyAskedForIsACrash) {
  vcpu_->Script(FakeExit::Other(EndOfInterruptExit{0x41}));

  RunToEnd();

  EXPECT_EQ(lifecycle_.end(), EndOfRun::kCrash);
}

TEST_F(VcpuThreadTest, UnclaimedReadsAreAllOnes) {
  const size_t in = vcpu_->Script(FakeExit::In(0x200, 4));
  const size_t load = vcpu_->Script(FakeExit::MmioRead(0xE0000000, 8));
  vcpu_->Script(FakeExit::Other(ShutdownExit{}));

  RunToEnd();

  EXPECT_EQ(vcpu_->AnswerValue(in), 0xFFFFFFFF);
  EXPECT_EQ(vcpu_->AnswerValue(load), ~uint64_t{0});
}

TEST_F(VcpuThreadTest, AStringInstructionIsManyAccessesToOnePort) {
  vcpu_->Script(FakeExit::OutString(kPort, 2, {1, 2, 3, 4}));
  const size_t in = vcpu_->Script(FakeExit::InString(kPort + 3, 1, 3));
  vcpu_->Script(FakeExit::Other(ShutdownExit{}));

  RunToEnd();

  EXPECT_THAT(port_device_.accesses(),
              ElementsAre(Access{true, 0, {1, 2}}, Access{true, 0, {3, 4}}, Access{false, 3, {0}},
                          Access{false, 3, {0}}, Access{false, 3, {0}}));
  EXPECT_EQ(vcpu_->Answer(in), std::vector<uint8_t>({0x13, 0x13, 0x13}));
}

TEST_F(VcpuThreadTest, StopBringsABlockedVcpuBack) {
  thread_->Start();

  thread_->Stop();

  EXPECT_EQ(lifecycle_.end(), std::nullopt);
}

TEST_F(VcpuThreadTest, StopWithoutStartIsHarmless) {
  thread_->Stop();

  EXPECT_EQ(lifecycle_.end(), std::nullopt);
}

TEST_F(VcpuThreadTest, WhileTheGateIsClosedItDoesNotRun) {
  vcpu_->Script(FakeExit::Out(kPort, 1, 1));
  vcpu_->Script(FakeExit::Other(ShutdownExit{}));
  gate_.Close(PauseGate::Reason::kHost, nullptr);

  thread_->Start();
  std::atomic<bool> waits{false};
  gate_.Close(PauseGate::Reason::kHost, [&waits] {
    waits = true;
    waits.notify_all();
  });
  waits.wait(false);
  EXPECT_EQ(vcpu_->remaining(), 2u);
  EXPECT_EQ(vcpu_->noted_pauses(), 0);

  gate_.Open(PauseGate::Reason::kHost);
  while (!ended_) ended_.wait(false);
  thread_->Stop();
  EXPECT_EQ(vcpu_->noted_pauses(), 1);
  EXPECT_EQ(lifecycle_.end(), EndOfRun::kTripleFault);
}

TEST_F(VcpuThreadTest, StopEndsAThreadThatWaits) {
  gate_.Close(PauseGate::Reason::kHost, nullptr);
  thread_->Start();

  thread_->Stop();

  EXPECT_TRUE(gate_.closed(PauseGate::Reason::kHost));
}

TEST_F(VcpuThreadTest, AnMsrThatNobodyHasIsAFault) {
  uint64_t value = 5;
  uint8_t fault = 0;
  vcpu_->Script(FakeExit::Other(
      MsrExit{.index = 0x774, .is_write = false, .value = &value, .fault = &fault}));
  vcpu_->Script(FakeExit::Other(ShutdownExit{}));

  RunToEnd();

  EXPECT_EQ(fault, 1);
  EXPECT_EQ(value, 5u);
  EXPECT_EQ(lifecycle_.end(), EndOfRun::kTripleFault);
}

TEST_F(VcpuThreadTest, BusLocksDoNotHoldUpAGuestUnlessToldTo) {
  const absl::Duration start = SystemClock().Monotonic();
  for (int i = 0; i < 100; ++i) vcpu_->Script(FakeExit::Other(BusLockExit{}));
  vcpu_->Script(FakeExit::Other(ShutdownExit{}));

  RunToEnd();

  EXPECT_LT(SystemClock().Monotonic() - start, absl::Seconds(1));
}

TEST_F(VcpuThreadTest, ManyBusLocksSlowTheVcpuDown) {
  Limit(50);
  const absl::Duration start = SystemClock().Monotonic();
  for (int i = 0; i < 51; ++i) vcpu_->Script(FakeExit::Other(BusLockExit{}));
  vcpu_->Script(FakeExit::Other(ShutdownExit{}));

  RunToEnd();

  EXPECT_GE(SystemClock().Monotonic() - start, absl::Milliseconds(900));
}

TEST_F(VcpuThreadTest, StopEndsTheSleepAfterABusLock) {
  Limit(1);
  vcpu_->Script(FakeExit::Other(BusLockExit{}));
  thread_->Start();
  while (vcpu_->remaining() > 0) usleep(100);
  const absl::Duration start = SystemClock().Monotonic();

  thread_->Stop();

  EXPECT_LT(SystemClock().Monotonic() - start, absl::Milliseconds(900));
}

TEST_F(VcpuThreadTest, ThePauseOfTheMachineEndsTheSleepAfterABusLock) {
  Limit(1);
  vcpu_->Script(FakeExit::Other(BusLockExit{}));
  thread_->Start();
  while (vcpu_->remaining() > 0) usleep(100);
  const absl::Duration start = SystemClock().Monotonic();
  std::atomic<bool> waits{false};

  limited_gate_.Close(PauseGate::Reason::kHost, [&waits] {
    waits = true;
    waits.notify_all();
  });
  waits.wait(false);

  EXPECT_LT(SystemClock().Monotonic() - start, absl::Milliseconds(900));
  thread_->Stop();
}

TEST_F(VcpuThreadTest, OnlyThoseThatAreToBeAreMadeRealtime) {
  thread_->Start();

  EXPECT_TRUE(thread_->MakeRealtime().ok());
}

struct EndingExit {
  VcpuExit exit;
  EndOfRun end;
};

class EndingExitTest : public VcpuThreadTest, public testing::WithParamInterface<EndingExit> {};

TEST_P(EndingExitTest, EndsTheRun) {
  vcpu_->Script(FakeExit::Other(GetParam().exit));

  RunToEnd();

  EXPECT_EQ(lifecycle_.end(), GetParam().end);
}

INSTANTIATE_TEST_SUITE_P(
    Exits, EndingExitTest,
    testing::Values(EndingExit{ShutdownExit{}, EndOfRun::kTripleFault},
                    EndingExit{SystemEventExit{SystemEventExit::Kind::kShutdown},
                               EndOfRun::kPowerOff},
                    EndingExit{SystemEventExit{SystemEventExit::Kind::kReset}, EndOfRun::kReset},
                    EndingExit{SystemEventExit{SystemEventExit::Kind::kCrash}, EndOfRun::kPanic},
                    EndingExit{FailEntryExit{0x80000021, 0}, EndOfRun::kCrash},
                    EndingExit{InternalErrorExit{1, "emulation failed"}, EndOfRun::kCrash},
                    EndingExit{DebugExit{}, EndOfRun::kCrash},
                    EndingExit{HaltExit{}, EndOfRun::kCrash},
                    EndingExit{UnknownExit{99}, EndOfRun::kCrash}));

TEST_F(VcpuThreadTest, OneThatCannotBePlacedEndsTheRunAsAStop) {
  std::unique_ptr<Vcpu> vcpu = *vm_->CreateVcpu(1, {});
  VcpuThread thread(std::move(vcpu), 1, {&ports_, &mmio_, &lifecycle_, &gate_},
                    {.cgroup = "/no/such/cgroup"});

  thread.Start();
  while (!ended_) ended_.wait(false);
  thread.Stop();

  EXPECT_EQ(lifecycle_.end(), EndOfRun::kStopped);
}

}  // namespace
}  // namespace touchstone
