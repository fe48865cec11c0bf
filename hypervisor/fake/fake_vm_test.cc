#include "hypervisor/fake/fake_vm.h"

#include <array>
#include <set>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace touchstone {
namespace {

using ::testing::ElementsAre;
using ::testing::Key;
using ::testing::SizeIs;

constexpr uint64_t kPage = 4096;

class FakeVmTest : public ::testing::Test {
 protected:
  MemorySlot Slot(uint64_t start, uint64_t pages) {
    return {.start = GuestAddress{start}, .size = pages * kPage, .host = host_.data()};
  }

  FakeVm vm_{8, nullptr, {OptionalExit::kBusLock}};
  EventFd event_ = *EventFd::Create();
  alignas(kPage) std::array<uint8_t, kPage> host_ = {};
};

TEST_F(FakeVmTest, SlotIsKeptReplacedAndRemoved) {
  ASSERT_TRUE(vm_.SetMemory(1, Slot(0, 16)).ok());
  ASSERT_TRUE(vm_.SetMemory(1, Slot(kPage, 8)).ok());
  EXPECT_EQ(vm_.slots()[1].size, 8 * kPage);
  EXPECT_EQ(vm_.slots()[1].start, GuestAddress{kPage});

  ASSERT_TRUE(vm_.SetMemory(1, MemorySlot{}).ok());

  EXPECT_THAT(vm_.slots(), SizeIs(0));
}

TEST_F(FakeVmTest, AdjoiningSlotsAreFineOverlapIsNot) {
  ASSERT_TRUE(vm_.SetMemory(0, Slot(0, 16)).ok());
  ASSERT_TRUE(vm_.SetMemory(1, Slot(16 * kPage, 1)).ok());

  EXPECT_TRUE(absl::IsAlreadyExists(vm_.SetMemory(2, Slot(15 * kPage, 1))));
  EXPECT_THAT(vm_.slots(), ElementsAre(Key(0), Key(1)));
}

TEST_F(FakeVmTest, BadSlotsAreRefused) {
  MemorySlot odd_size = Slot(0, 1);
  odd_size.size += 1;
  MemorySlot odd_host = Slot(0, 1);
  odd_host.host = host_.data() + 1;
  MemorySlot no_host = Slot(0, 1);
  no_host.host = nullptr;

  EXPECT_TRUE(absl::IsInvalidArgument(vm_.SetMemory(0, Slot(1, 1))));
  EXPECT_TRUE(absl::IsInvalidArgument(vm_.SetMemory(0, odd_size)));
  EXPECT_TRUE(absl::IsInvalidArgument(vm_.SetMemory(0, odd_host)));
  EXPECT_TRUE(absl::IsInvalidArgument(vm_.SetMemory(0, no_host)));
  EXPECT_TRUE(absl::IsInvalidArgument(vm_.SetMemory(0, Slot(~uint64_t{0} - kPage + 1, 2))));
  EXPECT_TRUE(absl::IsInvalidArgument(vm_.SetMemory(40000, Slot(0, 1))));
}

TEST_F(FakeVmTest, DirtyLogIsTakenOnce) {
  MemorySlot slot = Slot(0x100000, 100);
  slot.log_dirty = true;
  ASSERT_TRUE(vm_.SetMemory(0, slot).ok());

  vm_.MarkDirty(GuestAddress{0x100000 + 63 * kPage + 1}, kPage);

  EXPECT_THAT(*vm_.TakeDirtyLog(0), ElementsAre(uint64_t{1} << 63, 1));
  EXPECT_THAT(*vm_.TakeDirtyLog(0), ElementsAre(0, 0));
}

TEST_F(FakeVmTest, SlotWithoutLoggingHasNoDirtyLog) {
  ASSERT_TRUE(vm_.SetMemory(0, Slot(0, 1)).ok());

  EXPECT_TRUE(absl::IsFailedPrecondition(vm_.TakeDirtyLog(0).status()));
  EXPECT_TRUE(absl::IsFailedPrecondition(vm_.TakeDirtyLog(1).status()));
}

TEST_F(FakeVmTest, InterruptsNeedTheIrqChip) {
  EXPECT_TRUE(absl::IsFailedPrecondition(vm_.SetIrqLine(1, true)));
  EXPECT_TRUE(absl::IsFailedPrecondition(vm_.SignalMsi({}).status()));
  EXPECT_TRUE(absl::IsFailedPrecondition(vm_.AddIrqFd(1, event_, nullptr)));
  EXPECT_TRUE(absl::IsFailedPrecondition(vm_.SetIrqRoutes({})));

  ASSERT_TRUE(vm_.CreateIrqChip().ok());

  EXPECT_TRUE(vm_.has_irq_chip());
  EXPECT_TRUE(vm_.SetIrqLine(1, true).ok());
}

TEST_F(FakeVmTest, IrqFdIsPolledByHand) {
  ASSERT_TRUE(vm_.CreateIrqChip().ok());
  ASSERT_TRUE(vm_.AddIrqFd(23, event_, nullptr).ok());
  event_.Signal();

  EXPECT_EQ(vm_.PollIrqFds(), 1);

  EXPECT_THAT(vm_.irq_chip().TakeInterrupts(),
              ElementsAre(FakeInterrupt{23, IrqRoute::Pin{IrqChip::kIoapic, 23}, true}));
}

TEST_F(FakeVmTest, ExitsThatAreThereAreEnabledBeforeVcpus) {
  EXPECT_TRUE(vm_.EnableExit(OptionalExit::kBusLock).ok());
  EXPECT_EQ(vm_.enabled_exits(), std::set<OptionalExit>{OptionalExit::kBusLock});
  EXPECT_TRUE(absl::IsUnimplemented(vm_.EnableExit(OptionalExit::kUnknownMsr)));

  const absl::StatusOr<std::unique_ptr<Vcpu>> vcpu = vm_.CreateVcpu(0, {});
  ASSERT_TRUE(vcpu.ok());

  EXPECT_TRUE(absl::IsFailedPrecondition(vm_.EnableExit(OptionalExit::kBusLock)));
}

TEST_F(FakeVmTest, IrqChipComesBeforeVcpusAndOnce) {
  FakeVm late(8, nullptr, {});
  ASSERT_TRUE(vm_.CreateIrqChip().ok());
  const absl::StatusOr<std::unique_ptr<Vcpu>> vcpu = late.CreateVcpu(0, {});
  ASSERT_TRUE(vcpu.ok());

  EXPECT_TRUE(absl::IsAlreadyExists(vm_.CreateIrqChip()));
  EXPECT_TRUE(absl::IsInvalidArgument(late.CreateIrqChip()));
}

TEST_F(FakeVmTest, BootCpuIsSetBeforeTheFirstVcpu) {
  EXPECT_EQ(vm_.boot_cpu(), 0u);
  EXPECT_TRUE(vm_.SetBootCpu(5).ok());
  const absl::StatusOr<std::unique_ptr<Vcpu>> vcpu = vm_.CreateVcpu(5, {});

  EXPECT_EQ(vm_.boot_cpu(), 5u);
  EXPECT_TRUE(absl::IsFailedPrecondition(vm_.SetBootCpu(0)));
}

class OneInterrupt final : public ExternalInterrupts {
 public:
  bool pending() const override { return pending_; }
  uint8_t Acknowledge() override {
    pending_ = false;
    return 0x31;
  }

 private:
  bool pending_ = true;
};

TEST_F(FakeVmTest, SplitChipHasMessagesOnly) {
  OneInterrupt external;
  ASSERT_TRUE(vm_.CreateSplitIrqChip(24, external).ok());
  EXPECT_EQ(vm_.split_pins(), 24);
  EXPECT_TRUE(absl::IsAlreadyExists(vm_.CreateIrqChip()));

  const std::vector<IrqRoute> pin = {{9, IrqRoute::Pin{IrqChip::kIoapic, 9}}};
  const std::vector<IrqRoute> message = {{9, MsiMessage{.address = 0xFEE00000, .data = 0x41}}};

  EXPECT_TRUE(vm_.irq_chip().routes().empty());
  EXPECT_TRUE(absl::IsInvalidArgument(vm_.SetIrqRoutes(pin)));
  EXPECT_TRUE(vm_.SetIrqRoutes(message).ok());
  EXPECT_TRUE(absl::IsInvalidArgument(vm_.AddIrqFd(9, event_, &event_)));
}

TEST_F(FakeVmTest, BootVcpuTakesExternalInterruptsWhenItIsInterruptible) {
  OneInterrupt external;
  ASSERT_TRUE(vm_.CreateSplitIrqChip(24, external).ok());
  ASSERT_TRUE(vm_.SetBootCpu(3).ok());
  const absl::StatusOr<std::unique_ptr<Vcpu>> vcpu = vm_.CreateVcpu(3, {});
  ASSERT_TRUE(vcpu.ok());
  FakeVcpu& fake = *vm_.vcpu(3);
  fake.set_idle_exit(InterruptedExit{});

  ASSERT_TRUE(fake.Run().ok());
  EXPECT_TRUE(external.pending());
  fake.set_interruptible(true);
  ASSERT_TRUE(fake.Run().ok());

  EXPECT_EQ(fake.TakeExternalInterrupts(), std::vector<uint8_t>{0x31});
}

TEST_F(FakeVmTest, MessagesCanBeRefused) {
  ASSERT_TRUE(vm_.CreateIrqChip().ok());
  EXPECT_TRUE(*vm_.SignalMsi({}));

  vm_.irq_chip().set_accepts_messages(false);

  EXPECT_FALSE(*vm_.SignalMsi({}));
  EXPECT_EQ(vm_.irq_chip().TakeInterrupts().size(), 1);
}

TEST_F(FakeVmTest, VcpuIdsAreUniqueAndBounded) {
  const absl::StatusOr<std::unique_ptr<Vcpu>> vcpu = vm_.CreateVcpu(7, {});
  ASSERT_TRUE(vcpu.ok());

  EXPECT_EQ(vm_.vcpu(7), vcpu->get());
  EXPECT_EQ(vm_.vcpu(6), nullptr);
  EXPECT_TRUE(absl::IsAlreadyExists(vm_.CreateVcpu(7, {}).status()));
  EXPECT_TRUE(absl::IsInvalidArgument(vm_.CreateVcpu(8, {}).status()));
}

TEST_F(FakeVmTest, WriteOfAVcpuFiresTheEventOfTheVm) {
  ASSERT_TRUE(vm_.AddIoEvent({IoEvent::Space::kPort, 0x500, 0, std::nullopt}, event_).ok());
  const absl::StatusOr<std::unique_ptr<Vcpu>> vcpu = vm_.CreateVcpu(0, {});
  vm_.vcpu(0)->Script(FakeExit::Out(0x500, 4, 1));
  vm_.vcpu(0)->set_idle_exit(HaltExit{});

  ASSERT_TRUE((*vcpu)->Run().ok());

  EXPECT_EQ(event_.Drain(), 1);
}

TEST_F(FakeVmTest, IrqChipAndClockStateRoundTrip) {
  const IrqChipState chip = {.pic_primary = {1}, .pit = {2, 3}};
  ASSERT_TRUE(vm_.CreateIrqChip().ok());

  ASSERT_TRUE(vm_.SetIrqChip(chip).ok());
  ASSERT_TRUE(vm_.SetClock({.nanoseconds = 5}).ok());

  EXPECT_EQ(*vm_.GetIrqChip(), chip);
  EXPECT_EQ(vm_.GetClock()->nanoseconds, 5);
}

}  // namespace
}  // namespace touchstone
