#include "hypervisor/fake/fake_irq_chip.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace touchstone {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

constexpr MsiMessage kMessage = {.address = 0xFEE00000, .data = 0x41};

class FakeIrqChipTest : public ::testing::Test {
 protected:
  FakeIrqChip chip_;
  EventFd trigger_ = *EventFd::Create();
  EventFd resample_ = *EventFd::Create();
};

FakeInterrupt IoapicPin(uint32_t gsi, bool level) {
  return {gsi, IrqRoute::Pin{IrqChip::kIoapic, gsi}, level};
}

TEST_F(FakeIrqChipTest, LineReachesEveryRoutedPin) {
  chip_.SetLine(4, true);

  EXPECT_THAT(chip_.TakeInterrupts(),
              ElementsAre(FakeInterrupt{4, IrqRoute::Pin{IrqChip::kPicPrimary, 4}, true},
                          IoapicPin(4, true)));
  EXPECT_TRUE(chip_.line(4));
}

TEST_F(FakeIrqChipTest, UnchangedLineIsNoInterrupt) {
  chip_.SetLine(20, true);
  chip_.SetLine(20, true);
  chip_.SetLine(20, false);
  chip_.SetLine(21, false);

  EXPECT_THAT(chip_.TakeInterrupts(), ElementsAre(IoapicPin(20, true), IoapicPin(20, false)));
}

TEST_F(FakeIrqChipTest, IrqFdIsSeenAtPoll) {
  ASSERT_TRUE(chip_.AddIrqFd(22, trigger_, nullptr).ok());
  trigger_.Signal();
  trigger_.Signal();
  EXPECT_THAT(chip_.TakeInterrupts(), IsEmpty());

  EXPECT_EQ(chip_.Poll(), 1);

  EXPECT_THAT(chip_.TakeInterrupts(), ElementsAre(IoapicPin(22, true)));
  EXPECT_EQ(chip_.Poll(), 0);
}

TEST_F(FakeIrqChipTest, IrqFdFollowsTheRoutesOfTheMoment) {
  ASSERT_TRUE(chip_.AddIrqFd(30, trigger_, nullptr).ok());
  ASSERT_TRUE(chip_.SetRoutes({{30, kMessage}}).ok());
  trigger_.Signal();

  chip_.Poll();

  EXPECT_THAT(chip_.TakeInterrupts(), ElementsAre(FakeInterrupt{30, kMessage, true}));
}

TEST_F(FakeIrqChipTest, RoutelessInterruptIsDropped) {
  ASSERT_TRUE(chip_.AddIrqFd(30, trigger_, nullptr).ok());
  trigger_.Signal();

  EXPECT_EQ(chip_.Poll(), 1);

  EXPECT_THAT(chip_.TakeInterrupts(), IsEmpty());
}

TEST_F(FakeIrqChipTest, ResamplingIrqFdHoldsTheLineUntilEndOfInterrupt) {
  ASSERT_TRUE(chip_.AddIrqFd(20, trigger_, &resample_).ok());
  trigger_.Signal();
  chip_.Poll();
  EXPECT_TRUE(chip_.line(20));

  chip_.EndOfInterrupt(20);

  EXPECT_FALSE(chip_.line(20));
  EXPECT_EQ(resample_.Drain(), 1);
  EXPECT_THAT(chip_.TakeInterrupts(), ElementsAre(IoapicPin(20, true), IoapicPin(20, false)));
}

TEST_F(FakeIrqChipTest, RemovedIrqFdIsSilent) {
  ASSERT_TRUE(chip_.AddIrqFd(20, trigger_, nullptr).ok());
  ASSERT_TRUE(chip_.RemoveIrqFd(20, trigger_).ok());
  trigger_.Signal();

  EXPECT_EQ(chip_.Poll(), 0);
  EXPECT_EQ(chip_.irq_fd_count(), 0);
}

TEST_F(FakeIrqChipTest, DescriptorHasOneIrqFd) {
  ASSERT_TRUE(chip_.AddIrqFd(20, trigger_, nullptr).ok());

  EXPECT_FALSE(chip_.AddIrqFd(21, trigger_, nullptr).ok());
}

TEST_F(FakeIrqChipTest, RouteToPinThatDoesNotExistChangesNothing) {
  const std::vector<IrqRoute> before = chip_.routes();

  EXPECT_TRUE(
      absl::IsInvalidArgument(chip_.SetRoutes({{1, IrqRoute::Pin{IrqChip::kPicPrimary, 8}}})));
  EXPECT_TRUE(absl::IsInvalidArgument(chip_.SetRoutes({{1, IrqRoute::Pin{IrqChip::kIoapic, 24}}})));

  EXPECT_EQ(chip_.routes(), before);
}

TEST_F(FakeIrqChipTest, DirectMessageIsRecorded) {
  chip_.SignalMsi(kMessage);

  EXPECT_THAT(chip_.TakeInterrupts(), ElementsAre(FakeInterrupt{std::nullopt, kMessage, true}));
}

}  // namespace
}  // namespace touchstone
