#include "vmm/machine/interrupt_router.h"

#include <memory>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "hypervisor/fake/fake_hypervisor.h"
#include "hypervisor/mock/mock_vm.h"

namespace touchstone {
namespace {

using ::testing::_;
using ::testing::HasSubstr;
using ::testing::NiceMock;
using ::testing::Return;

constexpr uint64_t kAddress = 0xFEE00000;

class InterruptRouterTest : public testing::Test {
 protected:
  InterruptRouterTest() : vm_(*hypervisor_.CreateVm()) { EXPECT_TRUE(vm_->CreateIrqChip().ok()); }

  FakeVm& fake() { return *hypervisor_.vm(); }

  // The routes that are messages.
  std::vector<IrqRoute> Messages() {
    std::vector<IrqRoute> messages;
    for (const IrqRoute& route : fake().irq_chip().routes()) {
      if (std::holds_alternative<MsiMessage>(route.target)) messages.push_back(route);
    }
    return messages;
  }

  FakeHypervisor hypervisor_;
  std::unique_ptr<Vm> vm_;
};

TEST_F(InterruptRouterTest, ALineDrivesItsGsi) {
  InterruptRouter router(*vm_);
  IrqLine& line = router.Connect(4);

  line.Set(true);
  EXPECT_TRUE(fake().irq_chip().line(4));
  line.Set(false);
  EXPECT_FALSE(fake().irq_chip().line(4));
}

TEST_F(InterruptRouterTest, LinesOfOneGsiAreAWiredOr) {
  InterruptRouter router(*vm_);
  IrqLine& com1 = router.Connect(4);
  IrqLine& com3 = router.Connect(4);

  com1.Set(true);
  com3.Set(true);
  com1.Set(false);
  EXPECT_TRUE(fake().irq_chip().line(4));
  com3.Set(false);
  EXPECT_FALSE(fake().irq_chip().line(4));
}

TEST_F(InterruptRouterTest, AMessageIsRoutedToAGsiOfItsOwn) {
  InterruptRouter router(*vm_);

  auto first = router.Route(kAddress, 0x41);
  auto second = router.Route(kAddress, 0x42);

  ASSERT_TRUE(first.ok() && second.ok());
  EXPECT_THAT(Messages(), testing::ElementsAre(IrqRoute{24, MsiMessage{kAddress, 0x41}},
                                               IrqRoute{25, MsiMessage{kAddress, 0x42}}));
}

TEST_F(InterruptRouterTest, TheTriggerDeliversTheMessage) {
  InterruptRouter router(*vm_);
  auto route = router.Route(kAddress, 0x41);
  ASSERT_TRUE(route.ok());

  (*route)->trigger().Signal();

  EXPECT_EQ(fake().PollIrqFds(), 1);
}

TEST_F(InterruptRouterTest, UpdateChangesTheMessageAndKeepsTheGsi) {
  InterruptRouter router(*vm_);
  auto route = router.Route(kAddress, 0x41);
  ASSERT_TRUE(route.ok());

  ASSERT_TRUE((*route)->Update(kAddress + 0x1000, 0x55).ok());

  EXPECT_THAT(Messages(), testing::ElementsAre(IrqRoute{24, MsiMessage{kAddress + 0x1000, 0x55}}));
}

TEST_F(InterruptRouterTest, AFreedRouteIsGivenAgain) {
  InterruptRouter router(*vm_);
  auto first = router.Route(kAddress, 0x41);
  auto second = router.Route(kAddress, 0x42);
  ASSERT_TRUE(first.ok() && second.ok());

  first->reset();
  EXPECT_EQ(fake().irq_chip().irq_fd_count(), 1);
  auto third = router.Route(kAddress, 0x43);

  ASSERT_TRUE(third.ok());
  EXPECT_THAT(Messages(), testing::ElementsAre(IrqRoute{24, MsiMessage{kAddress, 0x43}},
                                               IrqRoute{25, MsiMessage{kAddress, 0x42}}));
}

TEST_F(InterruptRouterTest, KeepsThePinsBesideTheMessages) {
  const std::vector<IrqRoute> pins = fake().irq_chip().routes();
  InterruptRouter router(*vm_);

  auto route = router.Route(kAddress, 0x41);

  ASSERT_TRUE(route.ok());
  EXPECT_EQ(fake().irq_chip().routes().size(), pins.size() + 1);
  EXPECT_THAT(fake().irq_chip().routes(), testing::IsSupersetOf(pins));
}

TEST_F(InterruptRouterTest, TooManyMessagesAreAnError) {
  InterruptRouter router(*vm_, nullptr, /*max_messages=*/1);
  auto first = router.Route(kAddress, 0x41);
  ASSERT_TRUE(first.ok());

  const auto second = router.Route(kAddress, 0x42);

  EXPECT_EQ(second.status().code(), absl::StatusCode::kResourceExhausted);
  EXPECT_EQ(Messages().size(), 1);
}

TEST(InterruptRouterErrorTest, ARefusedTableGivesTheGsiBack) {
  NiceMock<MockVm> vm;
  EXPECT_CALL(vm, SetIrqRoutes(_))
      .WillOnce(Return(absl::InternalError("no table")))
      .WillRepeatedly(Return(absl::OkStatus()));
  InterruptRouter router(vm, nullptr, /*max_messages=*/1);

  const auto refused = router.Route(kAddress, 0x41);
  const auto accepted = router.Route(kAddress, 0x41);

  EXPECT_THAT(std::string(refused.status().message()), HasSubstr("no table"));
  EXPECT_TRUE(accepted.ok()) << accepted.status();
}

TEST(InterruptRouterErrorTest, ARefusedTriggerGivesTheGsiBack) {
  NiceMock<MockVm> vm;
  EXPECT_CALL(vm, AddIrqFd(24, _, nullptr))
      .WillOnce(Return(absl::InternalError("no irqfd")))
      .WillOnce(Return(absl::OkStatus()));
  InterruptRouter router(vm, nullptr, /*max_messages=*/1);

  const auto refused = router.Route(kAddress, 0x41);
  const auto accepted = router.Route(kAddress, 0x41);

  EXPECT_THAT(std::string(refused.status().message()), HasSubstr("no irqfd"));
  EXPECT_TRUE(accepted.ok()) << accepted.status();
}

}  // namespace
}  // namespace touchstone
