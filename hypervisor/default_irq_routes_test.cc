#include "hypervisor/default_irq_routes.h"

#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace touchstone {
namespace {

using ::testing::Contains;

std::vector<IrqRoute> RoutesOf(uint32_t gsi) {
  std::vector<IrqRoute> routes = DefaultIrqRoutes();
  std::erase_if(routes, [gsi](const IrqRoute& route) { return route.gsi != gsi; });
  return routes;
}

TEST(DefaultIrqRoutesTest, IsaInterruptsReachPicAndIoapic) {
  EXPECT_THAT(RoutesOf(4), Contains(IrqRoute{4, IrqRoute::Pin{IrqChip::kPicPrimary, 4}}));
  EXPECT_THAT(RoutesOf(4), Contains(IrqRoute{4, IrqRoute::Pin{IrqChip::kIoapic, 4}}));
  EXPECT_THAT(RoutesOf(9), Contains(IrqRoute{9, IrqRoute::Pin{IrqChip::kPicSecondary, 1}}));
  EXPECT_THAT(RoutesOf(9), Contains(IrqRoute{9, IrqRoute::Pin{IrqChip::kIoapic, 9}}));
}

TEST(DefaultIrqRoutesTest, PciInterruptsReachTheIoapicAlone) {
  EXPECT_THAT(RoutesOf(23),
              testing::ElementsAre(IrqRoute{23, IrqRoute::Pin{IrqChip::kIoapic, 23}}));
  EXPECT_TRUE(RoutesOf(24).empty());
}

}  // namespace
}  // namespace touchstone
