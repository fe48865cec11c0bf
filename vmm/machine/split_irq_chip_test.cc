// The split chip on a fake hypervisor: lines in, messages and external interrupts out.

#include "vmm/machine/split_irq_chip.h"

#include <memory>
#include <optional>
#include <variant>
#include <vector>

#include "base/event/manual_loop.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "hypervisor/fake/fake_hypervisor.h"
#include "vmm/machine/interrupt_router.h"

namespace touchstone {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::SizeIs;

constexpr uint64_t kIoapic = 0xFEC00000;
constexpr MsiMessage kEdge = {.address = 0xFEE00000, .data = 0x41};
constexpr MsiMessage kLevel = {.address = 0xFEE01000, .data = 0xC042};

class SplitIrqChipTest : public testing::Test {
 protected:
  SplitIrqChipTest() : vm_(*hypervisor_.CreateVm()) {
    EXPECT_TRUE(vm_->CreateSplitIrqChip(kIoapicPins, chip_).ok());
    router_.emplace(*vm_, &chip_);
    const MachineHost host = {&hypervisor_, &loop_, &loop_.clock()};
    EXPECT_TRUE(chip_.AddTo(ports_, mmio_, host, router_->Connect(0)).ok());
  }

  void Out(uint16_t port, const std::vector<uint8_t>& bytes) {
    for (const uint8_t byte : bytes) ports_.Write(port, absl::MakeConstSpan(&byte, 1));
  }
  // An entry of the redirection table.
  void Program(uint8_t pin, uint32_t low, uint32_t high = 0) {
    Register(0x11 + 2 * pin, high);
    Register(0x10 + 2 * pin, low);
  }
  void Register(uint8_t index, uint32_t value) {
    mmio_.Write(kIoapic, absl::MakeConstSpan(&index, 1));
    uint8_t bytes[4];
    for (int i = 0; i < 4; ++i) bytes[i] = static_cast<uint8_t>(value >> (8 * i));
    mmio_.Write(kIoapic + 0x10, absl::MakeConstSpan(bytes));
  }
  // Both PICs, with vectors from 0x30 and 0x38.
  void InitializePics() {
    Out(0x20, {0x11});
    Out(0x21, {0x30, 0x04, 0x01});
    Out(0xA0, {0x11});
    Out(0xA1, {0x38, 0x02, 0x01});
  }
  FakeIrqChip& apics() { return hypervisor_.vm()->irq_chip(); }
  // The messages sent since the last call.
  std::vector<MsiMessage> Sent() {
    std::vector<MsiMessage> sent;
    for (const FakeInterrupt& interrupt : apics().TakeInterrupts()) {
      sent.push_back(std::get<MsiMessage>(interrupt.target));
    }
    return sent;
  }

  FakeHypervisor hypervisor_;
  ManualLoop loop_;
  Bus ports_{"port", Bus::kLastPort};
  Bus mmio_{"MMIO", Bus::kLastMmioAddress};
  SplitIrqChip chip_;
  std::unique_ptr<Vm> vm_;
  std::optional<InterruptRouter> router_;
};

TEST_F(SplitIrqChipTest, AnEdgeIsAMessageWithoutARoute) {
  Program(4, 0x41);
  IrqLine& com1 = router_->Connect(4);

  com1.Set(true);
  com1.Set(false);

  EXPECT_THAT(Sent(), ElementsAre(kEdge));
  EXPECT_THAT(apics().routes(), IsEmpty());
}

TEST_F(SplitIrqChipTest, ALevelHasARouteAndIsSentUntilItEnds) {
  Program(9, 0x8042, 0x01000000);
  EXPECT_THAT(apics().routes(), ElementsAre(IrqRoute{9, kLevel}));
  IrqLine& intx = router_->Connect(9);

  intx.Set(true);
  EXPECT_THAT(Sent(), ElementsAre(kLevel));
  chip_.EndOfInterrupt(0x42);
  EXPECT_THAT(Sent(), ElementsAre(kLevel));
  intx.Set(false);
  chip_.EndOfInterrupt(0x42);
  EXPECT_THAT(Sent(), IsEmpty());
}

TEST_F(SplitIrqChipTest, LevelsAndMessagesShareTheTable) {
  auto message = router_->Route(0xFEE00000, 0x50);
  ASSERT_TRUE(message.ok());
  Program(9, 0x8042, 0x01000000);
  Program(10, 0x8043, 0x01000000);
  EXPECT_THAT(apics().routes(), SizeIs(3));

  Program(9, 0x42);  // an edge now

  EXPECT_THAT(apics().routes(), ElementsAre(IrqRoute{10, MsiMessage{0xFEE01000, 0xC043}},
                                            IrqRoute{24, MsiMessage{0xFEE00000, 0x50}}));
}

TEST_F(SplitIrqChipTest, AMessageThatNobodyTakesLeavesTheLevelDue) {
  apics().set_accepts_messages(false);
  Program(9, 0x8042, 0x01000000);
  IrqLine& intx = router_->Connect(9);
  intx.Set(true);
  EXPECT_THAT(Sent(), IsEmpty());

  apics().set_accepts_messages(true);
  Program(9, 0x8042, 0x01000000);

  EXPECT_THAT(Sent(), ElementsAre(kLevel));
}

TEST_F(SplitIrqChipTest, TheBootVcpuTakesThePicsInterrupts) {
  const std::unique_ptr<Vcpu> vcpu = *vm_->CreateVcpu(0, {});
  FakeVcpu& fake = *hypervisor_.vm()->vcpu(0);
  fake.set_interruptible(true);
  chip_.SetBootVcpu(vcpu.get());
  InitializePics();

  router_->Connect(8).Set(true);

  // Kicked, so it does not wait for its script.
  EXPECT_TRUE(std::holds_alternative<InterruptedExit>(*vcpu->Run()));
  EXPECT_EQ(fake.TakeExternalInterrupts(), std::vector<uint8_t>{0x38});
  chip_.SetBootVcpu(nullptr);
}

TEST_F(SplitIrqChipTest, InterruptsOfNobodysPicsWait) {
  InitializePics();
  router_->Connect(4).Set(true);
  EXPECT_TRUE(chip_.pending());
  EXPECT_EQ(chip_.Acknowledge(), 0x34);
  EXPECT_FALSE(chip_.pending());
}

TEST_F(SplitIrqChipTest, TheTimerTicksOnBothControllers) {
  Program(0, 0x41);
  InitializePics();
  Out(0x43, {0x34});
  Out(0x40, {0xA9, 0x04});  // 1 kHz
  apics().TakeInterrupts();

  loop_.Advance(absl::Milliseconds(10));

  EXPECT_THAT(Sent(), SizeIs(10));
  EXPECT_EQ(chip_.Acknowledge(), 0x30);
}

TEST_F(SplitIrqChipTest, TriggersAndSpeakerAreOnTheBus) {
  Out(0x4D1, {0x0E});
  Out(0x61, {0x03});
  uint8_t trigger = 0, speaker = 0;
  ports_.Read(0x4D1, absl::MakeSpan(&trigger, 1));
  ports_.Read(0x61, absl::MakeSpan(&speaker, 1));
  EXPECT_EQ(trigger, 0x0E);
  EXPECT_EQ(speaker & 0x03, 0x03);
}

}  // namespace
}  // namespace touchstone
