// The routing table of a PC before any MSI: GSI n reaches pin n of the IOAPIC (0 to 23) and, below
// 16, pin n of the two cascaded PICs.
//
// This is also what KVM starts with. A caller of Vm::SetIrqRoutes, which replaces the whole table,
// puts these first.

#ifndef TOUCHSTONE_HYPERVISOR_DEFAULT_IRQ_ROUTES_H_
#define TOUCHSTONE_HYPERVISOR_DEFAULT_IRQ_ROUTES_H_

#include <cstdint>
#include <vector>

#include "hypervisor/vm.h"

namespace touchstone {

inline constexpr uint32_t kIoapicPins = 24;
inline constexpr uint32_t kPicPins = 8;

std::vector<IrqRoute> DefaultIrqRoutes();

}  // namespace touchstone

#endif  // TOUCHSTONE_HYPERVISOR_DEFAULT_IRQ_ROUTES_H_
