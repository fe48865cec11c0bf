#include "devices/platform/pic/pic_chip.h"

#include "gtest/gtest.h"

namespace touchstone {
namespace {

constexpr uint8_t kBase = 0x30;

class PicChipTest : public ::testing::Test {
 protected:
  void SetUp() override { Initialize(0); }

  void Initialize(uint8_t icw4, uint8_t icw1 = 0) {
    Command(kPicIcw1 | kPicIcw1Icw4 | icw1);
    Data(kBase);
    Data(0x04);
    Data(kPicIcw48086 | icw4);
  }
  void Command(uint8_t value) { chip_.Write(kPicCommandOffset, value); }
  void Data(uint8_t value) { chip_.Write(kPicDataOffset, value); }
  uint8_t InService() {
    Command(kPicOcw3 | kPicOcw3SetRead | kPicOcw3ReadInService);
    return chip_.Read(kPicCommandOffset);
  }
  uint8_t Requests() {
    Command(kPicOcw3 | kPicOcw3SetRead);
    return chip_.Read(kPicCommandOffset);
  }
  void Pulse(int input) {
    chip_.SetInput(input, true);
    chip_.SetInput(input, false);
  }

  PicChip chip_{1 << kPicCascadeInput, kPicPrimaryLevelMask};
};

TEST_F(PicChipTest, EdgeIsRememberedUntilAcknowledged) {
  Pulse(4);
  EXPECT_TRUE(chip_.output());
  EXPECT_EQ(Requests(), 0x10);
  EXPECT_EQ(chip_.Acknowledge(), 4);
  EXPECT_FALSE(chip_.output());
  EXPECT_EQ(Requests(), 0);
  EXPECT_EQ(InService(), 0x10);
}

TEST_F(PicChipTest, HeldEdgeInterruptsOnce) {
  chip_.SetInput(4, true);
  chip_.Acknowledge();
  Command(kPicEoi);
  EXPECT_FALSE(chip_.output());
  chip_.SetInput(4, false);
  chip_.SetInput(4, true);
  EXPECT_TRUE(chip_.output());
}

TEST_F(PicChipTest, LevelInterruptsUntilItIsLowered) {
  chip_.SetTrigger(1 << 5);
  chip_.SetInput(5, true);
  EXPECT_EQ(chip_.Acknowledge(), 5);
  EXPECT_FALSE(chip_.output());
  Command(kPicEoi);
  EXPECT_TRUE(chip_.output());
  chip_.SetInput(5, false);
  EXPECT_FALSE(chip_.output());
}

TEST_F(PicChipTest, TriggerBitsOfTheTimerAndKeyboardAreFixed) {
  chip_.SetTrigger(0xff);
  EXPECT_EQ(chip_.trigger(), kPicPrimaryLevelMask);
}

TEST_F(PicChipTest, LtimMakesAllInputsLevelTriggered) {
  Initialize(0, kPicIcw1Level);
  Pulse(1);
  EXPECT_FALSE(chip_.output());
  chip_.SetInput(1, true);
  EXPECT_TRUE(chip_.output());
}

TEST_F(PicChipTest, VectorsTakeTheirUpperBitsFromIcw2) {
  Command(kPicIcw1 | kPicIcw1Icw4);
  Data(0x77);
  EXPECT_EQ(chip_.vector(3), 0x73);
}

TEST_F(PicChipTest, MaskHoldsBackARequest) {
  Data(0x10);
  EXPECT_EQ(chip_.Read(kPicDataOffset), 0x10);
  Pulse(4);
  EXPECT_FALSE(chip_.output());
  EXPECT_EQ(Requests(), 0x10);
  Data(0);
  EXPECT_TRUE(chip_.output());
}

TEST_F(PicChipTest, MoreUrgentInputsInterruptLessUrgentService) {
  Pulse(4);
  chip_.Acknowledge();
  Pulse(5);
  EXPECT_FALSE(chip_.output());
  Pulse(3);
  EXPECT_EQ(chip_.Acknowledge(), 3);
  EXPECT_EQ(InService(), 0x18);
  Command(kPicEoi);
  EXPECT_EQ(InService(), 0x10);
  Command(kPicEoi);
  EXPECT_EQ(chip_.Acknowledge(), 5);
}

TEST_F(PicChipTest, SpecificEoi) {
  Pulse(4);
  chip_.Acknowledge();
  Pulse(3);
  chip_.Acknowledge();
  Command(kPicSpecificEoi | 4);
  EXPECT_EQ(InService(), 0x08);
}

TEST_F(PicChipTest, AcknowledgeWithoutRequestIsSpurious) {
  EXPECT_EQ(chip_.Acknowledge(), kPicSpuriousInput);
  EXPECT_EQ(InService(), 0);
}

TEST_F(PicChipTest, RotateOnEoiMakesTheServedInputLeastUrgent) {
  Pulse(4);
  chip_.Acknowledge();
  Command(kPicRotateEoi);
  Pulse(4);
  Pulse(5);
  EXPECT_EQ(chip_.Acknowledge(), 5);
}

TEST_F(PicChipTest, RotateOnSpecificEoiAndSetPriority) {
  Pulse(2);
  Pulse(3);
  chip_.Acknowledge();
  Command(kPicRotateSpecificEoi | 3);
  EXPECT_EQ(chip_.state().lowest, 3);
  Command(kPicSetPriority | 6);
  Pulse(0);
  Pulse(7);
  EXPECT_EQ(chip_.Acknowledge(), 7);
}

TEST_F(PicChipTest, AutomaticEoiLeavesNothingInService) {
  Initialize(kPicIcw4AutoEoi);
  Pulse(4);
  EXPECT_EQ(chip_.Acknowledge(), 4);
  EXPECT_EQ(InService(), 0);
  Command(kPicAutoRotateSet);
  Pulse(4);
  chip_.Acknowledge();
  EXPECT_EQ(chip_.state().lowest, 4);
  Command(kPicAutoRotateClear);
  Pulse(5);
  chip_.Acknowledge();
  EXPECT_EQ(chip_.state().lowest, 4);
}

TEST_F(PicChipTest, SpecialMaskModeLetsLessUrgentOnesThrough) {
  Pulse(3);
  chip_.Acknowledge();
  Pulse(6);
  Data(0x08);
  EXPECT_FALSE(chip_.output());
  Command(kPicOcw3 | kPicOcw3SetSpecialMask | kPicOcw3SpecialMask);
  EXPECT_EQ(chip_.Acknowledge(), 6);
  Command(kPicEoi);
  EXPECT_EQ(InService(), 0x08);  // masked: a non-specific EOI passes it by
  Command(kPicOcw3 | kPicOcw3SetSpecialMask);
  Command(kPicEoi);
  EXPECT_EQ(InService(), 0);
}

TEST_F(PicChipTest, SpecialFullyNestedModeLetsTheCascadeInterruptItself) {
  chip_.SetInput(kPicCascadeInput, true);
  chip_.Acknowledge();
  EXPECT_FALSE(chip_.output());
  chip_.SetInput(kPicCascadeInput, false);
  Initialize(kPicIcw4FullyNested);
  chip_.SetInput(kPicCascadeInput, true);
  chip_.Acknowledge();
  EXPECT_TRUE(chip_.output());
}

TEST_F(PicChipTest, CascadeFollowsItsLevel) {
  chip_.SetInput(kPicCascadeInput, true);
  EXPECT_TRUE(chip_.output());
  chip_.SetInput(kPicCascadeInput, false);
  EXPECT_FALSE(chip_.output());
}

TEST_F(PicChipTest, PollAcknowledges) {
  Pulse(5);
  Command(kPicOcw3 | kPicOcw3Poll);
  EXPECT_EQ(chip_.Read(kPicDataOffset), kPicPollInterrupt | 5);
  EXPECT_EQ(InService(), 0x20);
  Command(kPicOcw3 | kPicOcw3Poll);
  EXPECT_EQ(chip_.Read(kPicCommandOffset), 0);
}

TEST_F(PicChipTest, InitializationForgetsMaskServiceAndEdges) {
  chip_.SetInput(1, true);
  Pulse(0);
  chip_.Acknowledge();
  Data(0xf0);
  Command(kPicSetPriority | 2);
  Initialize(0);
  EXPECT_EQ(chip_.Read(kPicDataOffset), 0);
  EXPECT_EQ(InService(), 0);
  EXPECT_EQ(Requests(), 0);
  EXPECT_EQ(chip_.state().lowest, 7);
}

TEST_F(PicChipTest, SingleChipAndNoIcw4ShortenTheInitialization) {
  Command(kPicIcw1 | kPicIcw1Single);
  Data(0x40);
  Data(0xa5);  // already the mask
  EXPECT_EQ(chip_.Read(kPicDataOffset), 0xa5);
  EXPECT_EQ(chip_.vector(0), 0x40);
}

TEST_F(PicChipTest, ImpossibleStatesAreRefused) {
  const PicChipState good = chip_.state();
  PicChipState bad = good;
  bad.lowest = 8;
  EXPECT_FALSE(chip_.Restore(bad));
  bad = good;
  bad.next_icw = 1;
  EXPECT_FALSE(chip_.Restore(bad));
  bad = good;
  bad.level = 1;
  EXPECT_FALSE(chip_.Restore(bad));
  EXPECT_EQ(chip_.state(), good);
}

}  // namespace
}  // namespace touchstone
