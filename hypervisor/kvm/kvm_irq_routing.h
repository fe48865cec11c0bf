// The GSI routing table in KVM's form (api.rst 4.52, KVM_SET_GSI_ROUTING).

#ifndef TOUCHSTONE_HYPERVISOR_KVM_KVM_IRQ_ROUTING_H_
#define TOUCHSTONE_HYPERVISOR_KVM_KVM_IRQ_ROUTING_H_

#include "hypervisor/kvm/kvm_abi.h"
#include "hypervisor/vm.h"

namespace touchstone {

kvm_irq_routing_entry ToKvm(const IrqRoute& route);

// KVM_SIGNAL_MSI's argument.
kvm_msi ToKvm(const MsiMessage& message);

// KVM_IRQCHIP_*.
uint32_t ToKvm(IrqChip chip);

}  // namespace touchstone

#endif  // TOUCHSTONE_HYPERVISOR_KVM_KVM_IRQ_ROUTING_H_
