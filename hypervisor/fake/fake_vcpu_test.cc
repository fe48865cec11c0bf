#include "hypervisor/fake/fake_vcpu.h"

#include <thread>
#include <variant>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace touchstone {
namespace {

using ::testing::ElementsAre;

class FakeVcpuTest : public ::testing::Test {
 protected:
  std::shared_ptr<FakeIoEvents> io_events_ = std::make_shared<FakeIoEvents>();
  FakeVcpu vcpu_{3, io_events_, {{.function = 1, .eax = 5}}};
};

TEST_F(FakeVcpuTest, WritesExitInOrderWithTheirData) {
  vcpu_.Script(FakeExit::Out(0x3F8, 2, 0x4241));
  vcpu_.Script(FakeExit::MmioWrite(0xD0000000, 8, 0x0807060504030201));

  const VcpuExit out = *vcpu_.Run();
  EXPECT_EQ(std::get<IoExit>(out).port, 0x3F8);
  EXPECT_EQ(std::get<IoExit>(out).size, 2);
  EXPECT_TRUE(std::get<IoExit>(out).is_write);
  EXPECT_THAT(std::get<IoExit>(out).data, ElementsAre(0x41, 0x42));

  const VcpuExit write = *vcpu_.Run();
  EXPECT_EQ(std::get<MmioExit>(write).address, 0xD0000000);
  EXPECT_TRUE(std::get<MmioExit>(write).is_write);
  EXPECT_THAT(std::get<MmioExit>(write).data, ElementsAre(1, 2, 3, 4, 5, 6, 7, 8));
}

TEST_F(FakeVcpuTest, ReadAnswerIsKnownAfterTheNextRun) {
  const size_t step = vcpu_.Script(FakeExit::In(0x60, 2));
  vcpu_.set_idle_exit(HaltExit{});

  const VcpuExit exit = *vcpu_.Run();
  std::get<IoExit>(exit).data[0] = 0x34;
  std::get<IoExit>(exit).data[1] = 0x12;
  EXPECT_EQ(vcpu_.AnswerValue(step), std::nullopt);
  ASSERT_TRUE(vcpu_.Run().ok());

  EXPECT_EQ(vcpu_.AnswerValue(step), 0x1234);
}

TEST_F(FakeVcpuTest, StringReadIsAnsweredWhole) {
  const size_t step = vcpu_.Script(FakeExit::InString(0x1F0, 4, 3));
  vcpu_.set_idle_exit(HaltExit{});

  const VcpuExit exit = *vcpu_.Run();
  ASSERT_EQ(std::get<IoExit>(exit).data.size(), 12);
  for (uint8_t& byte : std::get<IoExit>(exit).data) byte = 9;
  ASSERT_TRUE(vcpu_.Run().ok());

  EXPECT_EQ(vcpu_.Answer(step), std::vector<uint8_t>(12, 9));
}

TEST_F(FakeVcpuTest, KickCompletesTheReadFirst) {
  const size_t step = vcpu_.Script(FakeExit::MmioRead(0x1000, 1));
  const VcpuExit exit = *vcpu_.Run();
  std::get<MmioExit>(exit).data[0] = 0x77;
  vcpu_.Kick();

  const VcpuExit next = *vcpu_.Run();

  EXPECT_TRUE(std::holds_alternative<InterruptedExit>(next));
  EXPECT_EQ(vcpu_.AnswerValue(step), 0x77);
}

TEST_F(FakeVcpuTest, WriteThatAnEventTakesDoesNotExit) {
  const EventFd event = *EventFd::Create();
  ASSERT_TRUE(io_events_->Add({IoEvent::Space::kMmio, 0x1000, 2, 1}, event).ok());
  vcpu_.Script(FakeExit::MmioWrite(0x1000, 2, 1));
  vcpu_.Script(FakeExit::Other(ShutdownExit{}));

  const VcpuExit exit = *vcpu_.Run();

  EXPECT_TRUE(std::holds_alternative<ShutdownExit>(exit));
  EXPECT_EQ(event.Drain(), 1);
}

TEST_F(FakeVcpuTest, StringWriteExitsWithTheUnitsNoEventTook) {
  const EventFd event = *EventFd::Create();
  ASSERT_TRUE(io_events_->Add({IoEvent::Space::kPort, 0x80, 1, 2}, event).ok());
  vcpu_.Script(FakeExit::OutString(0x80, 1, {1, 2, 3}));

  const VcpuExit exit = *vcpu_.Run();

  EXPECT_THAT(std::get<IoExit>(exit).data, ElementsAre(1, 3));
  EXPECT_EQ(event.Drain(), 1);
}

TEST_F(FakeVcpuTest, KickBeforeRunInterruptsOnce) {
  vcpu_.Script(FakeExit::Other(HaltExit{}));
  vcpu_.Kick();

  EXPECT_TRUE(std::holds_alternative<InterruptedExit>(*vcpu_.Run()));
  EXPECT_TRUE(std::holds_alternative<HaltExit>(*vcpu_.Run()));
}

TEST_F(FakeVcpuTest, IdleRunBlocksUntilKick) {
  absl::StatusOr<VcpuExit> exit = absl::InternalError("Run has not returned");
  std::thread runner([&] { exit = vcpu_.Run(); });
  vcpu_.Kick();
  runner.join();

  ASSERT_TRUE(exit.ok());
  EXPECT_TRUE(std::holds_alternative<InterruptedExit>(*exit));
}

TEST_F(FakeVcpuTest, IdleRunGoesOnWithAScriptThatGrows) {
  absl::StatusOr<VcpuExit> exit = absl::InternalError("Run has not returned");
  std::thread runner([&] { exit = vcpu_.Run(); });
  vcpu_.Script(FakeExit::Other(ShutdownExit{}));
  runner.join();

  ASSERT_TRUE(exit.ok());
  EXPECT_TRUE(std::holds_alternative<ShutdownExit>(*exit));
  EXPECT_EQ(vcpu_.remaining(), 0);
}

TEST_F(FakeVcpuTest, StateRoundTrips) {
  const GeneralRegisters registers = {.rax = 1, .rip = 2};
  SpecialRegisters special;
  special.cr3 = 0x9000;
  const ExtendedState extended = {.xsave = std::vector<uint8_t>(4096, 3), .xcr0 = 7};
  LapicState lapic = {};
  lapic[0x20] = 4;
  const VcpuEvents events = {.nmi_pending = true, .run_state = RunState::kHalted};
  const DebugControl debug = {.single_step = true};

  ASSERT_TRUE(vcpu_.SetRegisters(registers).ok());
  ASSERT_TRUE(vcpu_.SetSpecialRegisters(special).ok());
  ASSERT_TRUE(vcpu_.SetExtendedState(extended).ok());
  ASSERT_TRUE(vcpu_.SetLapic(lapic).ok());
  ASSERT_TRUE(vcpu_.SetEvents(events).ok());
  ASSERT_TRUE(vcpu_.SetDebug(debug).ok());

  EXPECT_EQ(*vcpu_.GetRegisters(), registers);
  EXPECT_EQ(*vcpu_.GetSpecialRegisters(), special);
  EXPECT_EQ(*vcpu_.GetExtendedState(), extended);
  EXPECT_EQ(*vcpu_.GetLapic(), lapic);
  EXPECT_EQ(*vcpu_.GetEvents(), events);
  EXPECT_EQ(vcpu_.debug_control(), debug);
  EXPECT_EQ(vcpu_.cpuid().front().eax, 5);
  EXPECT_EQ(vcpu_.id(), 3);
}

TEST_F(FakeVcpuTest, RefusedMsrIsReportedAndAbsent) {
  vcpu_.RefuseMsr(0x10A);

  EXPECT_THAT(*vcpu_.SetMsrs({{0x10A, 1}, {0x174, 2}}), ElementsAre(0x10A));

  EXPECT_THAT(*vcpu_.GetMsrs({0x10A, 0x174, 0x175}), ElementsAre(Msr{0x174, 2}, Msr{0x175, 0}));
}

TEST_F(FakeVcpuTest, ExtendedStateOfAnotherSizeIsRefused) {
  EXPECT_TRUE(absl::IsInvalidArgument(vcpu_.SetExtendedState({.xsave = {1, 2, 3}})));
}

}  // namespace
}  // namespace touchstone
