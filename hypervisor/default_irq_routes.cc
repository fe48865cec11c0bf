#include "hypervisor/default_irq_routes.h"

namespace touchstone {

std::vector<IrqRoute> DefaultIrqRoutes() {
  std::vector<IrqRoute> routes;
  routes.reserve(2 * kPicPins + kIoapicPins);
  for (uint32_t gsi = 0; gsi < kIoapicPins; ++gsi) {
    if (gsi < kPicPins) {
      routes.push_back({gsi, IrqRoute::Pin{IrqChip::kPicPrimary, gsi}});
    } else if (gsi < 2 * kPicPins) {
      routes.push_back({gsi, IrqRoute::Pin{IrqChip::kPicSecondary, gsi - kPicPins}});
    }
    routes.push_back({gsi, IrqRoute::Pin{IrqChip::kIoapic, gsi}});
  }
  return routes;
}

}  // namespace touchstone
