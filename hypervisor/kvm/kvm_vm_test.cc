#include "hypervisor/kvm/kvm_vm.h"

#include <sys/mman.h>

#include <memory>
#include <optional>
#include <variant>
#include <vector>

#include "base/event_fd.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "hypervisor/default_irq_routes.h"
#include "hypervisor/kvm/test_guest.h"

// Stores to 0x9000 and to 0x20000.
GUEST_CODE(kTwoStores, "64", R"(
    movl $1, 0x9000
    movl $1, 0x20000
    hlt
)");
GUEST_CODE(kLoadAndStoreAt2M, "64", R"(
    mov $0x200000, %edi
    movl (%rdi), %eax
    movl $0x55, (%rdi)
    hlt
)");
GUEST_CODE(kPortWrites, "16", R"(
    mov $1, %ax
    mov $0x500, %dx
    out %al, %dx
    out %ax, %dx
    mov $2, %al
    out %al, %dx
    hlt
)");
GUEST_CODE(kMmioWrites, "64", R"(
    mov $0xD0000000, %edi
    movl $1, (%rdi)
    movl $2, (%rdi)
    movb $1, (%rdi)
    hlt
)");
// Waits for an interrupt; its handler at kHandler tells port 0xF1.
GUEST_CODE(kWait, "64", R"(
    out %al, $0xF0
    sti
    1: hlt
    jmp 1b
    .org kWait_begin + 0x80
    out %al, $0xF1
    xor %eax, %eax
    mov $0xFEE000B0, %edi
    movl %eax, (%rdi)
    iretq
)");
// Points IOAPIC pin 16 (at 0xFEC00000: index, and at + 0x10: data) at vector 0x41, edge-triggered,
// and pin 20 at vector 0x42, level-triggered; then waits as kWait does. The handler
// tells port 0xF2 after the end of interrupt, too. No PIC is on these pins.
GUEST_CODE(kIoapicWait, "64", R"(
    mov $0xFEC00000, %edi
    movl $0x30, (%rdi)
    movl $0x41, 0x10(%rdi)
    movl $0x31, (%rdi)
    movl $0, 0x10(%rdi)
    movl $0x38, (%rdi)
    movl $0x8042, 0x10(%rdi)
    movl $0x39, (%rdi)
    movl $0, 0x10(%rdi)
    out %al, $0xF0
    sti
    1: hlt
    jmp 1b
    .org kIoapicWait_begin + 0x80
    out %al, $0xF1
    xor %eax, %eax
    mov $0xFEE000B0, %edi
    movl %eax, (%rdi)
    out %al, $0xF2
    iretq
)");

namespace touchstone {
namespace {

using ::testing::ElementsAre;

constexpr uint64_t kHandler = TestGuest::kCode + 0x80;
constexpr uint64_t kPage = 4096;
constexpr uint64_t kTwoMebibytes = 0x200000;

class KvmVmTest : public ::testing::Test {
 protected:
  void SetUp() override {
    if (NoKvm().has_value()) GTEST_SKIP() << *NoKvm();
    absl::StatusOr<TestGuest> guest = TestGuest::Create({.log_dirty = true});
    ASSERT_TRUE(guest.ok()) << guest.status();
    guest_.emplace(*std::move(guest));
  }

  TestGuest& guest() { return *guest_; }
  Vm& vm() { return guest_->vm(); }
  VcpuExit Run() { return guest().RunUninterrupted().value_or(UnknownExit{~0u}); }

  std::optional<TestGuest> guest_;
};

TEST_F(KvmVmTest, DirtyLogHasTheWrittenPages) {
  ASSERT_TRUE(guest().StartLongMode(GuestCode(kTwoStores)).ok());
  ASSERT_TRUE(vm().TakeDirtyLog(0).ok());
  ASSERT_TRUE(std::holds_alternative<HaltExit>(Run()));

  const absl::StatusOr<std::vector<uint64_t>> log = vm().TakeDirtyLog(0);

  ASSERT_TRUE(log.ok()) << log.status();
  ASSERT_EQ(log->size(), 4);
  EXPECT_NE((*log)[0] & (1 << 9), 0);
  EXPECT_NE((*log)[0] & (uint64_t{1} << 32), 0);
  EXPECT_EQ((*log)[1], 0);
  const std::vector<uint64_t> again = *vm().TakeDirtyLog(0);
  EXPECT_EQ(again[0] & (1 << 9), 0);
}

TEST_F(KvmVmTest, SlotWithoutLoggingHasNoDirtyLog) {
  EXPECT_TRUE(absl::IsFailedPrecondition(vm().TakeDirtyLog(1).status()));
}

// A second slot of two pages at 2 MiB.
class KvmVmSecondSlotTest : public KvmVmTest {
 protected:
  void SetUp() override {
    KvmVmTest::SetUp();
    if (IsSkipped()) return;
    void* host =
        mmap(nullptr, 2 * kPage, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    ASSERT_NE(host, MAP_FAILED);
    host_ = static_cast<uint32_t*>(host);
    slot_ = {.start = GuestAddress{kTwoMebibytes}, .size = 2 * kPage, .host = host};
    host_[0] = 0x1234;
    ASSERT_TRUE(guest().StartLongMode(GuestCode(kLoadAndStoreAt2M)).ok());
  }
  void TearDown() override {
    guest_.reset();
    if (host_ != nullptr) munmap(host_, 2 * kPage);
  }

  uint32_t* host_ = nullptr;
  MemorySlot slot_;
};

TEST_F(KvmVmSecondSlotTest, GuestSeesTheSlot) {
  ASSERT_TRUE(vm().SetMemory(1, slot_).ok());

  EXPECT_TRUE(std::holds_alternative<HaltExit>(Run()));

  EXPECT_EQ(guest().vcpu().GetRegisters()->rax, 0x1234);
  EXPECT_EQ(host_[0], 0x55);
}

TEST_F(KvmVmSecondSlotTest, WriteToReadOnlySlotExits) {
  slot_.read_only = true;
  ASSERT_TRUE(vm().SetMemory(1, slot_).ok());

  const VcpuExit exit = Run();

  ASSERT_TRUE(std::holds_alternative<MmioExit>(exit)) << exit.index();
  EXPECT_TRUE(std::get<MmioExit>(exit).is_write);
  EXPECT_EQ(std::get<MmioExit>(exit).address, kTwoMebibytes);
  EXPECT_EQ(host_[0], 0x1234);
}

TEST_F(KvmVmSecondSlotTest, RemovedSlotIsMmio) {
  ASSERT_TRUE(vm().SetMemory(1, slot_).ok());
  ASSERT_TRUE(vm().SetMemory(1, MemorySlot{}).ok());

  const VcpuExit exit = Run();

  ASSERT_TRUE(std::holds_alternative<MmioExit>(exit)) << exit.index();
  EXPECT_FALSE(std::get<MmioExit>(exit).is_write);
}

TEST_F(KvmVmSecondSlotTest, SlotIsReplacedInOneCall) {
  ASSERT_TRUE(vm().SetMemory(1, slot_).ok());
  host_[kPage / sizeof(uint32_t)] = 0x9876;
  slot_.size = kPage;
  slot_.host = host_ + kPage / sizeof(uint32_t);
  slot_.log_dirty = true;

  ASSERT_TRUE(vm().SetMemory(1, slot_).ok());

  EXPECT_TRUE(std::holds_alternative<HaltExit>(Run()));
  EXPECT_EQ(guest().vcpu().GetRegisters()->rax, 0x9876);
  EXPECT_THAT(*vm().TakeDirtyLog(1), ElementsAre(1));
}

TEST_F(KvmVmSecondSlotTest, LoggingIsSwitchedOnAlone) {
  ASSERT_TRUE(vm().SetMemory(1, slot_).ok());
  slot_.log_dirty = true;

  ASSERT_TRUE(vm().SetMemory(1, slot_).ok());

  EXPECT_TRUE(std::holds_alternative<HaltExit>(Run()));
  EXPECT_THAT(*vm().TakeDirtyLog(1), ElementsAre(1));
}

TEST_F(KvmVmSecondSlotTest, OverlapIsRefusedByName) {
  slot_.start = GuestAddress{0};

  const absl::Status status = vm().SetMemory(7, slot_);

  EXPECT_FALSE(status.ok());
  EXPECT_THAT(status.message(), testing::HasSubstr("memory slot 7"));
}

TEST_F(KvmVmTest, PortEventOfOneSizeAndMatchTakesOnlyThatWrite) {
  const EventFd event = *EventFd::Create();
  const IoEvent io_event = {IoEvent::Space::kPort, 0x500, 1, 1};
  ASSERT_TRUE(vm().AddIoEvent(io_event, event).ok());
  ASSERT_TRUE(guest().StartRealMode(GuestCode(kPortWrites)).ok());

  const VcpuExit wide = Run();
  EXPECT_THAT(std::get<IoExit>(wide).data, ElementsAre(1, 0));
  const VcpuExit other = Run();
  EXPECT_THAT(std::get<IoExit>(other).data, ElementsAre(2));

  EXPECT_EQ(event.Drain(), 1);
}

TEST_F(KvmVmTest, PortEventOfAnySizeTakesAllWrites) {
  const EventFd event = *EventFd::Create();
  ASSERT_TRUE(vm().AddIoEvent({IoEvent::Space::kPort, 0x500, 0, std::nullopt}, event).ok());
  ASSERT_TRUE(guest().StartRealMode(GuestCode(kPortWrites)).ok());

  EXPECT_TRUE(std::holds_alternative<HaltExit>(Run()));

  EXPECT_EQ(event.Drain(), 3);
}

TEST_F(KvmVmTest, MmioEventsWithMatchesShareAnAddress) {
  const EventFd one = *EventFd::Create();
  const EventFd two = *EventFd::Create();
  ASSERT_TRUE(vm().AddIoEvent({IoEvent::Space::kMmio, 0xD0000000, 4, 1}, one).ok());
  ASSERT_TRUE(vm().AddIoEvent({IoEvent::Space::kMmio, 0xD0000000, 4, 2}, two).ok());
  ASSERT_TRUE(guest().StartLongMode(GuestCode(kMmioWrites)).ok());

  const VcpuExit narrow = Run();

  EXPECT_THAT(std::get<MmioExit>(narrow).data, ElementsAre(1));
  EXPECT_EQ(one.Drain(), 1);
  EXPECT_EQ(two.Drain(), 1);
}

TEST_F(KvmVmTest, MmioEventOfAnySizeTakesAllWrites) {
  const EventFd event = *EventFd::Create();
  ASSERT_TRUE(vm().AddIoEvent({IoEvent::Space::kMmio, 0xD0000000, 0, std::nullopt}, event).ok());
  ASSERT_TRUE(guest().StartLongMode(GuestCode(kMmioWrites)).ok());

  EXPECT_TRUE(std::holds_alternative<HaltExit>(Run()));

  EXPECT_EQ(event.Drain(), 3);
}

TEST_F(KvmVmTest, RemovedEventExitsAgain) {
  const EventFd event = *EventFd::Create();
  const IoEvent io_event = {IoEvent::Space::kPort, 0x500, 0, std::nullopt};
  ASSERT_TRUE(vm().AddIoEvent(io_event, event).ok());
  ASSERT_TRUE(vm().RemoveIoEvent(io_event, event).ok());
  ASSERT_TRUE(guest().StartRealMode(GuestCode(kPortWrites)).ok());

  EXPECT_TRUE(std::holds_alternative<IoExit>(Run()));

  EXPECT_FALSE(vm().RemoveIoEvent(io_event, event).ok());
}

TEST_F(KvmVmTest, ImpossibleEventsAreRefused) {
  const EventFd event = *EventFd::Create();

  EXPECT_TRUE(absl::IsInvalidArgument(
      vm().AddIoEvent({IoEvent::Space::kMmio, 0xD0000000, 3, std::nullopt}, event)));
  EXPECT_TRUE(
      absl::IsInvalidArgument(vm().AddIoEvent({IoEvent::Space::kMmio, 0xD0000000, 0, 1}, event)));
}

TEST_F(KvmVmTest, ClockGoesOnFromWhereItWasSet) {
  constexpr uint64_t kHour = 3600ull * 1000 * 1000 * 1000;
  ASSERT_TRUE(vm().SetClock({.nanoseconds = kHour}).ok());

  const absl::StatusOr<ClockState> clock = vm().GetClock();

  ASSERT_TRUE(clock.ok()) << clock.status();
  EXPECT_GE(clock->nanoseconds, kHour);
  EXPECT_LT(clock->nanoseconds, 2 * kHour);
}

TEST_F(KvmVmTest, InterruptsNeedTheIrqChip) {
  EXPECT_FALSE(vm().SetIrqLine(1, true).ok());
  EXPECT_FALSE(vm().GetIrqChip().ok());
  // A vCPU exists already.
  EXPECT_FALSE(vm().CreateIrqChip().ok());
}

TEST_F(KvmVmTest, VcpuIdIsNotGivenTwice) {
  const absl::Status status = vm().CreateVcpu(0, {}).status();

  EXPECT_TRUE(absl::IsAlreadyExists(status)) << status;
  EXPECT_THAT(status.message(), testing::HasSubstr("vCPU 0"));
}

class KvmVmWithIrqChipTest : public ::testing::Test {
 protected:
  void SetUp() override {
    if (NoKvm().has_value()) GTEST_SKIP() << *NoKvm();
    absl::StatusOr<TestGuest> guest = TestGuest::Create({.irq_chip = true});
    ASSERT_TRUE(guest.ok()) << guest.status();
    guest_.emplace(*std::move(guest));
    ASSERT_TRUE(guest_->EnableLapic().ok());
    guest_->SetInterruptHandler(0x41, kHandler);
    guest_->SetInterruptHandler(0x42, kHandler);
  }

  Vm& vm() { return guest_->vm(); }
  // The port of the next OUT.
  uint16_t RunToPort() {
    const absl::StatusOr<VcpuExit> exit = guest_->RunUninterrupted();
    if (!exit.ok() || !std::holds_alternative<IoExit>(*exit)) return 0;
    return std::get<IoExit>(*exit).port;
  }

  std::optional<TestGuest> guest_;
};

TEST_F(KvmVmWithIrqChipTest, MessageInterruptsTheHaltedGuest) {
  ASSERT_TRUE(guest_->StartLongMode(GuestCode(kWait)).ok());
  ASSERT_EQ(RunToPort(), 0xF0);

  ASSERT_TRUE(vm().SignalMsi({.address = 0xFEE00000, .data = 0x41}).ok());

  EXPECT_EQ(RunToPort(), 0xF1);
}

TEST_F(KvmVmWithIrqChipTest, IrqFdInterruptsThroughAMessageRoute) {
  const EventFd trigger = *EventFd::Create();
  std::vector<IrqRoute> routes = DefaultIrqRoutes();
  routes.push_back({30, MsiMessage{.address = 0xFEE00000, .data = 0x42}});
  ASSERT_TRUE(vm().SetIrqRoutes(routes).ok());
  ASSERT_TRUE(vm().AddIrqFd(30, trigger, nullptr).ok());
  ASSERT_TRUE(guest_->StartLongMode(GuestCode(kWait)).ok());
  ASSERT_EQ(RunToPort(), 0xF0);

  trigger.Signal();
  EXPECT_EQ(RunToPort(), 0xF1);
  trigger.Signal();
  EXPECT_EQ(RunToPort(), 0xF1);
}

TEST_F(KvmVmWithIrqChipTest, IrqFdInterruptsThroughTheIoapic) {
  const EventFd trigger = *EventFd::Create();
  ASSERT_TRUE(vm().AddIrqFd(16, trigger, nullptr).ok());
  ASSERT_TRUE(guest_->StartLongMode(GuestCode(kIoapicWait)).ok());
  ASSERT_EQ(RunToPort(), 0xF0);

  trigger.Signal();

  EXPECT_EQ(RunToPort(), 0xF1);
}

TEST_F(KvmVmWithIrqChipTest, ResamplingIrqFdTellsTheEndOfInterrupt) {
  const EventFd trigger = *EventFd::Create();
  const EventFd resample = *EventFd::Create();
  ASSERT_TRUE(vm().AddIrqFd(20, trigger, &resample).ok());
  ASSERT_TRUE(guest_->StartLongMode(GuestCode(kIoapicWait)).ok());
  ASSERT_EQ(RunToPort(), 0xF0);
  trigger.Signal();
  ASSERT_EQ(RunToPort(), 0xF1);

  ASSERT_EQ(RunToPort(), 0xF2);
  EXPECT_GE(resample.Drain(), 1);

  trigger.Signal();
  EXPECT_EQ(RunToPort(), 0xF1);
}

TEST_F(KvmVmWithIrqChipTest, LineInterruptsWhileItIsHigh) {
  ASSERT_TRUE(guest_->StartLongMode(GuestCode(kIoapicWait)).ok());
  ASSERT_EQ(RunToPort(), 0xF0);

  ASSERT_TRUE(vm().SetIrqLine(20, true).ok());
  EXPECT_EQ(RunToPort(), 0xF1);
  EXPECT_EQ(RunToPort(), 0xF2);
  EXPECT_EQ(RunToPort(), 0xF1);

  EXPECT_TRUE(vm().SetIrqLine(20, false).ok());
}

TEST_F(KvmVmWithIrqChipTest, RemovedIrqFdIsSilent) {
  const EventFd trigger = *EventFd::Create();
  ASSERT_TRUE(vm().AddIrqFd(4, trigger, nullptr).ok());
  ASSERT_TRUE(vm().RemoveIrqFd(4, trigger).ok());

  trigger.Signal();

  EXPECT_EQ(trigger.Drain(), 1);
}

TEST_F(KvmVmWithIrqChipTest, RouteToPinThatDoesNotExistIsRefused) {
  EXPECT_TRUE(
      absl::IsInvalidArgument(vm().SetIrqRoutes({{1, IrqRoute::Pin{IrqChip::kIoapic, 24}}})));
}

TEST_F(KvmVmWithIrqChipTest, IrqChipStateRoundTrips) {
  ASSERT_TRUE(guest_->StartLongMode(GuestCode(kIoapicWait)).ok());
  ASSERT_EQ(RunToPort(), 0xF0);
  const absl::StatusOr<IrqChipState> state = vm().GetIrqChip();
  ASSERT_TRUE(state.ok()) << state.status();

  ASSERT_TRUE(vm().SetIrqChip(*state).ok());

  const absl::StatusOr<IrqChipState> back = vm().GetIrqChip();
  ASSERT_TRUE(back.ok()) << back.status();
  EXPECT_EQ(back->ioapic, state->ioapic);
  EXPECT_EQ(back->pic_primary, state->pic_primary);
  EXPECT_EQ(back->pic_secondary, state->pic_secondary);
  // The PIT's load times differ: they are of the host's clock.
  EXPECT_EQ(back->pit.size(), state->pit.size());
}

TEST_F(KvmVmWithIrqChipTest, IrqChipStateOfAnotherShapeIsRefused) {
  const IrqChipState good = *vm().GetIrqChip();
  IrqChipState cut = good;
  cut.ioapic.pop_back();
  IrqChipState newer = good;
  ++newer.pit[0];

  EXPECT_TRUE(absl::IsInvalidArgument(vm().SetIrqChip(cut)));
  EXPECT_TRUE(absl::IsInvalidArgument(vm().SetIrqChip(newer)));
  EXPECT_TRUE(absl::IsInvalidArgument(vm().SetIrqChip({})));
}

TEST_F(KvmVmWithIrqChipTest, SixtyFourVcpusAreCreated) {
  const std::vector<CpuidEntry> cpuid = *guest_->hypervisor().SupportedCpuid();
  std::vector<std::unique_ptr<Vcpu>> vcpus;
  for (uint32_t id = 1; id < 64; ++id) {
    absl::StatusOr<std::unique_ptr<Vcpu>> vcpu = vm().CreateVcpu(id, cpuid);
    ASSERT_TRUE(vcpu.ok()) << vcpu.status();
    vcpus.push_back(*std::move(vcpu));
  }

  // api.rst 4.38: processors other than the first wait for their start-up message.
  EXPECT_EQ(vcpus.back()->GetEvents()->run_state, RunState::kUninitialized);
  EXPECT_EQ(guest_->vcpu().GetEvents()->run_state, RunState::kRunnable);
}

}  // namespace
}  // namespace touchstone
