#include "hypervisor/kvm/kvm_irq_routing.h"

#include "gtest/gtest.h"

namespace touchstone {
namespace {

TEST(KvmIrqRoutingTest, PinNamesChipAndPin) {
  const kvm_irq_routing_entry entry = ToKvm(IrqRoute{9, IrqRoute::Pin{IrqChip::kIoapic, 21}});

  EXPECT_EQ(entry.gsi, 9);
  EXPECT_EQ(entry.type, KVM_IRQ_ROUTING_IRQCHIP);
  EXPECT_EQ(entry.u.irqchip.irqchip, KVM_IRQCHIP_IOAPIC);
  EXPECT_EQ(entry.u.irqchip.pin, 21);
}

TEST(KvmIrqRoutingTest, MessageIsSplitIntoWords) {
  const kvm_irq_routing_entry entry = ToKvm(IrqRoute{40, MsiMessage{0x123FEE01000, 0x4041}});

  EXPECT_EQ(entry.gsi, 40);
  EXPECT_EQ(entry.type, KVM_IRQ_ROUTING_MSI);
  EXPECT_EQ(entry.u.msi.address_lo, 0xFEE01000);
  EXPECT_EQ(entry.u.msi.address_hi, 0x123);
  EXPECT_EQ(entry.u.msi.data, 0x4041);
}

TEST(KvmIrqRoutingTest, DirectMessageIsSplitAlike) {
  const kvm_msi msi = ToKvm(MsiMessage{0x1FEE00000, 0x30});

  EXPECT_EQ(msi.address_lo, 0xFEE00000);
  EXPECT_EQ(msi.address_hi, 1);
  EXPECT_EQ(msi.data, 0x30);
  EXPECT_EQ(msi.flags, 0);
}

TEST(KvmIrqRoutingTest, ChipsHaveKvmsNumbers) {
  EXPECT_EQ(ToKvm(IrqChip::kPicPrimary), KVM_IRQCHIP_PIC_MASTER);
  EXPECT_EQ(ToKvm(IrqChip::kPicSecondary), KVM_IRQCHIP_PIC_SLAVE);
  EXPECT_EQ(ToKvm(IrqChip::kIoapic), KVM_IRQCHIP_IOAPIC);
}

}  // namespace
}  // namespace touchstone
