#include "devices/platform/pic/pic.h"

#include <thread>
#include <vector>

#include "gtest/gtest.h"

namespace touchstone {
namespace {

class PicTest : public ::testing::Test {
 protected:
  void SetUp() override {
    Initialize(pic_.primary(), 0x30, 1 << kPicCascadeInput);
    Initialize(pic_.secondary(), 0x38, kPicCascadeInput);
  }

  static void Out(BusDevice& ports, uint64_t offset, uint8_t value) {
    ports.Write(offset, absl::MakeConstSpan(&value, 1));
  }
  static uint8_t In(BusDevice& ports, uint64_t offset) {
    uint8_t value = 0xff;
    ports.Read(offset, absl::MakeSpan(&value, 1));
    return value;
  }
  static void Initialize(BusDevice& chip, uint8_t vector, uint8_t icw3) {
    Out(chip, kPicCommandOffset, kPicIcw1 | kPicIcw1Icw4);
    Out(chip, kPicDataOffset, vector);
    Out(chip, kPicDataOffset, icw3);
    Out(chip, kPicDataOffset, kPicIcw48086);
  }

  std::vector<bool> outputs_;
  Pic pic_{[this](bool level) { outputs_.push_back(level); }};
};

TEST_F(PicTest, PrimaryInput) {
  pic_.SetInput(0, true);
  EXPECT_TRUE(pic_.output());
  EXPECT_EQ(pic_.Acknowledge(), 0x30);
  EXPECT_FALSE(pic_.output());
  EXPECT_EQ(outputs_, (std::vector<bool>{true, false}));
}

TEST_F(PicTest, SecondaryInputComesThroughTheCascade) {
  pic_.SetInput(8, true);
  EXPECT_EQ(pic_.Acknowledge(), 0x38);
  EXPECT_EQ(pic_.Save().primary.in_service, 1 << kPicCascadeInput);
  EXPECT_EQ(pic_.Save().secondary.in_service, 1);
}

TEST_F(PicTest, SecondaryNeedsTwoEois) {
  pic_.SetInput(8, true);
  pic_.Acknowledge();
  pic_.SetInput(9, true);
  Out(pic_.secondary(), kPicCommandOffset, kPicEoi);
  EXPECT_FALSE(pic_.output());
  Out(pic_.primary(), kPicCommandOffset, kPicEoi);
  EXPECT_EQ(pic_.Acknowledge(), 0x39);
}

TEST_F(PicTest, MaskedSecondaryRequestIsWithdrawn) {
  pic_.SetInput(12, true);
  Out(pic_.secondary(), kPicDataOffset, 0xff);
  EXPECT_FALSE(pic_.output());
}

TEST_F(PicTest, AcknowledgeAfterTheRequestIsGoneIsSpurious) {
  Out(pic_.trigger(), 1, 1 << (10 - 8));
  pic_.SetInput(10, true);
  pic_.SetInput(10, false);
  EXPECT_FALSE(pic_.output());
  EXPECT_EQ(pic_.Acknowledge(), 0x37);
  EXPECT_EQ(pic_.Save().primary.in_service, 0);
}

TEST_F(PicTest, InputTwoIsTheCascades) {
  pic_.SetInput(2, true);
  EXPECT_FALSE(pic_.output());
}

TEST_F(PicTest, TriggerRegisters) {
  Out(pic_.trigger(), 0, 0xff);
  Out(pic_.trigger(), 1, 0xff);
  EXPECT_EQ(In(pic_.trigger(), 0), kPicPrimaryLevelMask);
  EXPECT_EQ(In(pic_.trigger(), 1), kPicSecondaryLevelMask);
}

TEST_F(PicTest, WideAccessesAreSplit) {
  const uint8_t masks[] = {kPicOcw3 | kPicOcw3SetRead, 0x5a};
  pic_.secondary().Write(0, masks);
  uint8_t both[4] = {0xff, 0xff, 0xff, 0xff};
  pic_.secondary().Read(0, absl::MakeSpan(both));
  EXPECT_EQ(both[0], 0);
  EXPECT_EQ(both[1], 0x5a);
  EXPECT_EQ(both[2], 0xff);
}

TEST_F(PicTest, SaveRestoreSave) {
  pic_.SetInput(8, true);
  pic_.Acknowledge();
  pic_.SetInput(1, true);
  Pic other([](bool) {});
  ASSERT_TRUE(other.Restore(pic_.Save()).ok());
  EXPECT_EQ(other.Save(), pic_.Save());
  EXPECT_TRUE(other.output());
  EXPECT_EQ(other.Acknowledge(), 0x31);
}

TEST_F(PicTest, ImpossibleStateChangesNothing) {
  const PicState before = pic_.Save();
  PicState bad = before;
  bad.primary.mask = 0x55;
  bad.secondary.vector = 0x01;
  EXPECT_TRUE(absl::IsInvalidArgument(pic_.Restore(bad)));
  EXPECT_EQ(pic_.Save(), before);
  bad.primary.lowest = 9;
  EXPECT_TRUE(absl::IsInvalidArgument(pic_.Restore(bad)));
  EXPECT_EQ(pic_.Save(), before);
}

TEST_F(PicTest, InputsAndProcessorOnTheirOwnThreads) {
  constexpr int kTimes = 1000;
  std::thread device([this] {
    for (int i = 0; i < kTimes; ++i) {
      pic_.SetInput(4, true);
      pic_.SetInput(4, false);
    }
  });
  int taken = 0;
  for (int i = 0; i < kTimes; ++i) {
    if (!pic_.output()) continue;
    taken += pic_.Acknowledge() == 0x34 ? 1 : 0;
    Out(pic_.primary(), kPicCommandOffset, kPicEoi);
  }
  device.join();
  while (pic_.output()) {
    taken += pic_.Acknowledge() == 0x34 ? 1 : 0;
    Out(pic_.primary(), kPicCommandOffset, kPicEoi);
  }
  EXPECT_GE(taken, 1);
  EXPECT_LE(taken, kTimes);
}

}  // namespace
}  // namespace touchstone
