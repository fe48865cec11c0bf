// The local APICs in KVM, the other interrupt controllers here (Vm::CreateSplitIrqChip), with
// guests that take interrupts.

#include <algorithm>
#include <atomic>
#include <chrono>
#include <optional>
#include <thread>
#include <variant>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "hypervisor/default_irq_routes.h"
#include "hypervisor/external_interrupts.h"
#include "hypervisor/kvm/test_guest.h"

// Tells that it waits, and waits.
GUEST_CODE(kSplitWait, "64", R"(
    sti
    out %al, $0xF0
1:  hlt
    jmp 1b
)");
// Waits with interrupts disabled until it is told to go on.
GUEST_CODE(kSplitDisabled, "64", R"(
    cli
    out %al, $0xF2
    out %al, $0xF3
    sti
1:  hlt
    jmp 1b
)");
// Ends the interrupt at the local APIC, then tells of it.
GUEST_CODE(kSplitHandler, "64", R"(
    mov $0xFEE000B0, %edi
    movl $0, (%rdi)
    out %al, $0xF1
    iretq
)");
// An external interrupt has no end at the local APIC.
GUEST_CODE(kSplitExternalHandler, "64", R"(
    out %al, $0xF4
    iretq
)");

namespace touchstone {
namespace {

using ::testing::ElementsAre;

constexpr uint64_t kHandler = TestGuest::kFree;
constexpr uint64_t kExternalHandler = TestGuest::kFree + 0x100;
constexpr uint8_t kVector = 0x41;
constexpr uint8_t kExternalVector = 0x30;
constexpr MsiMessage kLevel = {.address = 0xFEE00000, .data = 0xC000 | kVector};
constexpr MsiMessage kEdge = {.address = 0xFEE00000, .data = kVector};

class FakePic final : public ExternalInterrupts {
 public:
  bool pending() const override { return pending_; }
  uint8_t Acknowledge() override {
    pending_ = false;
    return kExternalVector;
  }
  void Raise() { pending_ = true; }

 private:
  std::atomic<bool> pending_{false};
};

class KvmSplitChipTest : public ::testing::Test {
 protected:
  void SetUp() override {
    if (NoKvm().has_value()) GTEST_SKIP() << *NoKvm();
    absl::StatusOr<TestGuest> guest = TestGuest::Create({.split = &pic_});
    if (absl::IsUnimplemented(guest.status())) GTEST_SKIP() << guest.status();
    ASSERT_TRUE(guest.ok()) << guest.status();
    guest_.emplace(*std::move(guest));
    ASSERT_TRUE(guest_->EnableLapic().ok());
    ASSERT_TRUE(SetLint0(0x700).ok());
    Place(kHandler, GuestCode(kSplitHandler));
    Place(kExternalHandler, GuestCode(kSplitExternalHandler));
    guest_->SetInterruptHandler(kVector, kHandler);
    guest_->SetInterruptHandler(kExternalVector, kExternalHandler);
  }

  void Place(uint64_t address, absl::Span<const uint8_t> code) {
    std::copy(code.begin(), code.end(), guest_->memory().begin() + address);
  }
  // SDM vol. 3, 10.5.1: delivery mode ExtINT is 0x700, the mask 0x10000.
  absl::Status SetLint0(uint32_t value) {
    constexpr size_t kLint0 = 0x350;
    absl::StatusOr<LapicState> lapic = guest_->vcpu().GetLapic();
    if (!lapic.ok()) return lapic.status();
    for (int i = 0; i < 4; ++i) (*lapic)[kLint0 + i] = static_cast<uint8_t>(value >> (8 * i));
    return guest_->vcpu().SetLapic(*lapic);
  }

  Vm& vm() { return guest_->vm(); }
  // The port of the next OUT; 0 for another exit.
  uint16_t RunToPort() {
    const absl::StatusOr<VcpuExit> exit = guest_->RunUninterrupted();
    if (!exit.ok() || !std::holds_alternative<IoExit>(*exit)) return 0;
    return std::get<IoExit>(*exit).port;
  }
  // Runs to the next exit and notes what it was.
  void RunAndNote() {
    const absl::StatusOr<VcpuExit> exit = guest_->RunUninterrupted();
    if (!exit.ok()) return;
    if (const auto* end = std::get_if<EndOfInterruptExit>(&*exit)) ended_.push_back(end->vector);
    if (const auto* io = std::get_if<IoExit>(&*exit)) ports_.push_back(io->port);
  }

  std::vector<uint8_t> ended_;
  std::vector<uint16_t> ports_;
  FakePic pic_;
  std::optional<TestGuest> guest_;
};

TEST_F(KvmSplitChipTest, EndOfALevelTriggeredMessageIsAnExit) {
  const std::vector<IrqRoute> routes = {{9, kLevel}};
  ASSERT_TRUE(vm().SetIrqRoutes(routes).ok());
  ASSERT_TRUE(guest_->StartLongMode(GuestCode(kSplitWait)).ok());
  ASSERT_EQ(RunToPort(), 0xF0);

  const absl::StatusOr<bool> taken = vm().SignalMsi(kLevel);

  ASSERT_TRUE(taken.ok()) << taken.status();
  EXPECT_TRUE(*taken);
  // In either order: a KVM that emulates runs on for a few instructions.
  RunAndNote();
  RunAndNote();
  EXPECT_THAT(ended_, ElementsAre(kVector));
  EXPECT_THAT(ports_, ElementsAre(0xF1));
}

TEST_F(KvmSplitChipTest, EndOfAnEdgeIsNoExit) {
  const std::vector<IrqRoute> routes = {{9, kEdge}};
  ASSERT_TRUE(vm().SetIrqRoutes(routes).ok());
  ASSERT_TRUE(guest_->StartLongMode(GuestCode(kSplitWait)).ok());
  ASSERT_EQ(RunToPort(), 0xF0);

  ASSERT_TRUE(vm().SignalMsi(kEdge).ok());

  EXPECT_EQ(RunToPort(), 0xF1);
}

TEST_F(KvmSplitChipTest, RoutesBeyondThePinsDoNotExit) {
  const std::vector<IrqRoute> routes = {{kIoapicPins, kLevel}};
  ASSERT_TRUE(vm().SetIrqRoutes(routes).ok());
  ASSERT_TRUE(guest_->StartLongMode(GuestCode(kSplitWait)).ok());
  ASSERT_EQ(RunToPort(), 0xF0);

  ASSERT_TRUE(vm().SignalMsi(kLevel).ok());

  EXPECT_EQ(RunToPort(), 0xF1);
}

TEST_F(KvmSplitChipTest, MessageToNobodyIsNotTaken) {
  const absl::StatusOr<bool> taken = vm().SignalMsi({.address = 0xFEE55000, .data = kVector});

  ASSERT_TRUE(taken.ok()) << taken.status();
  EXPECT_FALSE(*taken);
}

TEST_F(KvmSplitChipTest, PinsOfOtherControllersDoNotExist) {
  EXPECT_TRUE(absl::IsInvalidArgument(vm().SetIrqRoutes(DefaultIrqRoutes())));
  EXPECT_FALSE(vm().GetIrqChip().ok());
}

TEST_F(KvmSplitChipTest, ExternalInterruptWaitsForTheWindow) {
  ASSERT_TRUE(guest_->StartLongMode(GuestCode(kSplitDisabled)).ok());
  pic_.Raise();

  EXPECT_EQ(RunToPort(), 0xF2);
  EXPECT_EQ(RunToPort(), 0xF3);
  EXPECT_TRUE(pic_.pending());
  EXPECT_EQ(RunToPort(), 0xF4);
  EXPECT_FALSE(pic_.pending());
}

TEST_F(KvmSplitChipTest, ExternalInterruptsFollowEachOther) {
  ASSERT_TRUE(guest_->StartLongMode(GuestCode(kSplitWait)).ok());
  ASSERT_EQ(RunToPort(), 0xF0);
  for (int i = 0; i < 3; ++i) {
    pic_.Raise();
    EXPECT_EQ(RunToPort(), 0xF4);
  }
}

TEST_F(KvmSplitChipTest, MaskedLint0KeepsExternalInterruptsOut) {
  ASSERT_TRUE(SetLint0(0x10700).ok());
  ASSERT_TRUE(guest_->StartLongMode(GuestCode(kSplitWait)).ok());
  ASSERT_EQ(RunToPort(), 0xF0);
  pic_.Raise();

  guest_->vcpu().Kick();
  const absl::StatusOr<VcpuExit> exit = guest_->vcpu().Run();

  ASSERT_TRUE(exit.ok()) << exit.status();
  EXPECT_TRUE(std::holds_alternative<InterruptedExit>(*exit));
  EXPECT_TRUE(pic_.pending());
}

TEST_F(KvmSplitChipTest, KickMakesAHaltedGuestTakeAnExternalInterrupt) {
  ASSERT_TRUE(guest_->StartLongMode(GuestCode(kSplitWait)).ok());
  ASSERT_EQ(RunToPort(), 0xF0);
  std::thread device([this] {
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
    pic_.Raise();
    guest_->vcpu().Kick();
  });

  EXPECT_EQ(RunToPort(), 0xF4);

  device.join();
}

}  // namespace
}  // namespace touchstone
