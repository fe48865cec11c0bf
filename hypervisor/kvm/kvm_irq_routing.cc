#include "hypervisor/kvm/kvm_irq_routing.h"

#include <cstdint>
#include <variant>

namespace touchstone {
namespace {

uint32_t Low(uint64_t address) { return static_cast<uint32_t>(address); }
uint32_t High(uint64_t address) { return static_cast<uint32_t>(address >> 32); }

}  // namespace

uint32_t ToKvm(IrqChip chip) {
  switch (chip) {
    case IrqChip::kPicPrimary:
      return KVM_IRQCHIP_PIC_MASTER;
    case IrqChip::kPicSecondary:
      return KVM_IRQCHIP_PIC_SLAVE;
    case IrqChip::kIoapic:
      return KVM_IRQCHIP_IOAPIC;
  }
  return KVM_NR_IRQCHIPS;
}

kvm_irq_routing_entry ToKvm(const IrqRoute& route) {
  kvm_irq_routing_entry entry = {};
  entry.gsi = route.gsi;
  if (const auto* pin = std::get_if<IrqRoute::Pin>(&route.target)) {
    entry.type = KVM_IRQ_ROUTING_IRQCHIP;
    entry.u.irqchip.irqchip = ToKvm(pin->chip);
    entry.u.irqchip.pin = pin->pin;
  } else if (const auto* message = std::get_if<MsiMessage>(&route.target)) {
    entry.type = KVM_IRQ_ROUTING_MSI;
    entry.u.msi.address_lo = Low(message->address);
    entry.u.msi.address_hi = High(message->address);
    entry.u.msi.data = message->data;
  }
  return entry;
}

kvm_msi ToKvm(const MsiMessage& message) {
  kvm_msi msi = {};
  msi.address_lo = Low(message.address);
  msi.address_hi = High(message.address);
  msi.data = message.data;
  return msi;
}

}  // namespace touchstone
