#include "devices/platform/ioapic/ioapic.h"

#include <thread>

#include "devices/platform/ioapic/recording_ioapic_target.h"
#include "gtest/gtest.h"

namespace touchstone {
namespace {

constexpr int kPin = 9;
constexpr uint8_t kVector = 0x41;
constexpr uint64_t kToSecond = uint64_t{1} << kIoapicDestinationShift;

class IoapicTest : public ::testing::Test {
 protected:
  void Select(uint8_t index) { ioapic_.Write(kIoapicSelect, absl::MakeConstSpan(&index, 1)); }
  uint32_t Get(uint8_t index) {
    Select(index);
    uint8_t data[4] = {0xff, 0xff, 0xff, 0xff};
    ioapic_.Read(kIoapicWindow, absl::MakeSpan(data));
    return uint32_t{data[0]} | uint32_t{data[1]} << 8 | uint32_t{data[2]} << 16 |
           uint32_t{data[3]} << 24;
  }
  void Set(uint8_t index, uint32_t value) {
    Select(index);
    const uint8_t data[4] = {static_cast<uint8_t>(value), static_cast<uint8_t>(value >> 8),
                             static_cast<uint8_t>(value >> 16), static_cast<uint8_t>(value >> 24)};
    ioapic_.Write(kIoapicWindow, absl::MakeConstSpan(data));
  }
  // As Linux does: the low half, with the mask, last.
  void Program(uint8_t pin, uint64_t entry) {
    Set(kIoapicRedirection + 2 * pin + 1, static_cast<uint32_t>(entry >> 32));
    Set(kIoapicRedirection + 2 * pin, static_cast<uint32_t>(entry));
  }
  uint32_t Low(uint8_t pin) { return Get(kIoapicRedirection + 2 * pin); }

  RecordingIoapicTarget target_;
  Ioapic ioapic_{target_};
};

TEST_F(IoapicTest, PowerOnRegisters) {
  EXPECT_EQ(Get(kIoapicId), 0u);
  EXPECT_EQ(Get(kIoapicVersion), 0x00170011u);
  EXPECT_EQ(Get(kIoapicArbitration), 0u);
  EXPECT_EQ(Low(0), kIoapicMasked);
  EXPECT_EQ(Low(23), kIoapicMasked);
  EXPECT_EQ(Get(kIoapicRedirection + 1), 0u);
}

TEST_F(IoapicTest, RegistersThatDoNotExist) {
  Set(0x03, 0xffffffff);
  Set(0x40, 0xffffffff);
  EXPECT_EQ(Get(0x03), 0u);
  EXPECT_EQ(Get(0x0f), 0u);
  EXPECT_EQ(Get(0x40), 0u);
  EXPECT_EQ(Get(0xff), 0u);
}

TEST_F(IoapicTest, IdIsAlsoTheArbitrationId) {
  Set(kIoapicId, 0xf5ffffff);
  EXPECT_EQ(Get(kIoapicId), 0x05000000u);
  EXPECT_EQ(Get(kIoapicArbitration), 0x05000000u);
  Set(kIoapicVersion, 0);
  EXPECT_EQ(Get(kIoapicVersion), 0x00170011u);
}

TEST_F(IoapicTest, ReservedAndReadOnlyBitsStayZero) {
  Program(kPin, ~uint64_t{0} & ~kIoapicMasked);
  EXPECT_EQ(Low(kPin), 0x0000afffu);
  EXPECT_EQ(Get(kIoapicRedirection + 2 * kPin + 1), 0xff000000u);
}

TEST_F(IoapicTest, SelectIsRead) {
  Select(0x2a);
  uint8_t data[4];
  ioapic_.Read(kIoapicSelect, absl::MakeSpan(data));
  EXPECT_EQ(data[0], 0x2a);
  EXPECT_EQ(data[3], 0);
}

TEST_F(IoapicTest, OddAccesses) {
  Select(kIoapicId);
  const uint8_t byte = 0xff;
  ioapic_.Write(kIoapicWindow, absl::MakeConstSpan(&byte, 1));
  ioapic_.Write(0x14, absl::MakeConstSpan(&byte, 1));
  EXPECT_EQ(Get(kIoapicId), 0u);
  uint8_t beyond[2] = {0xff, 0xff};
  ioapic_.Read(0x20, absl::MakeSpan(beyond));
  EXPECT_EQ(beyond[0], 0xff);
  Select(kIoapicVersion);
  uint8_t wide[8] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff};
  ioapic_.Read(kIoapicWindow, absl::MakeSpan(wide));
  EXPECT_EQ(wide[0], 0x11);
  EXPECT_EQ(wide[2], 0x17);
  EXPECT_EQ(wide[4], 0xff);
}

TEST_F(IoapicTest, EdgeIsSentOncePerRise) {
  Program(kPin, kToSecond | kVector);
  ioapic_.SetInput(kPin, true);
  EXPECT_EQ(target_.deliveries, 1);
  EXPECT_EQ(target_.last, (IoapicMessage{0xfee01000, kVector}));
  ioapic_.SetInput(kPin, true);
  ioapic_.SetInput(kPin, false);
  EXPECT_EQ(target_.deliveries, 1);
  ioapic_.SetInput(kPin, true);
  EXPECT_EQ(target_.deliveries, 2);
  EXPECT_EQ(Low(kPin), kVector);
}

TEST_F(IoapicTest, EdgesAreNotWatched) {
  Program(kPin, kVector);
  EXPECT_EQ(target_.changes, 0);
}

TEST_F(IoapicTest, EdgeOnAMaskedInputIsLost) {
  ioapic_.SetInput(kPin, true);
  Program(kPin, kVector);
  EXPECT_EQ(target_.deliveries, 0);
}

TEST_F(IoapicTest, MessageOfLogicalLowestPriority) {
  Program(kPin, uint64_t{0x83} << kIoapicDestinationShift | kIoapicLogical | kIoapicLevel |
                    kIoapicLowestPriority << kIoapicDeliveryShift | kVector);
  ioapic_.SetInput(kPin, true);
  EXPECT_EQ(target_.last, (IoapicMessage{0xfee83004, 0xc100 | kVector}));
}

TEST_F(IoapicTest, LevelIsServedUntilItsEnd) {
  Program(kPin, kIoapicLevel | kVector);
  EXPECT_EQ(target_.watched[kPin], (IoapicMessage{0xfee00000, 0xc000 | kVector}));
  ioapic_.SetInput(kPin, true);
  EXPECT_EQ(target_.deliveries, 1);
  EXPECT_EQ(Low(kPin), kIoapicLevel | kIoapicRemoteIrr | kVector);
  ioapic_.SetInput(kPin, false);
  ioapic_.SetInput(kPin, true);
  EXPECT_EQ(target_.deliveries, 1);
  ioapic_.SetInput(kPin, false);
  ioapic_.EndOfInterrupt(kVector);
  EXPECT_EQ(Low(kPin), kIoapicLevel | kVector);
  EXPECT_EQ(target_.deliveries, 1);
}

TEST_F(IoapicTest, LevelStillAssertedIsSentAgain) {
  Program(kPin, kIoapicLevel | kVector);
  ioapic_.SetInput(kPin, true);
  ioapic_.EndOfInterrupt(kVector + 1);
  EXPECT_EQ(target_.deliveries, 1);
  ioapic_.EndOfInterrupt(kVector);
  EXPECT_EQ(target_.deliveries, 2);
  EXPECT_EQ(Low(kPin), kIoapicLevel | kIoapicRemoteIrr | kVector);
}

TEST_F(IoapicTest, LevelThatEndsWhileMaskedIsSentWhenUnmasked) {
  Program(kPin, kIoapicLevel | kVector);
  ioapic_.SetInput(kPin, true);
  Program(kPin, kIoapicMasked | kIoapicLevel | kVector);
  EXPECT_TRUE(target_.watched[kPin].has_value());
  ioapic_.EndOfInterrupt(kVector);
  EXPECT_EQ(target_.deliveries, 1);
  Program(kPin, kIoapicLevel | kVector);
  EXPECT_EQ(target_.deliveries, 2);
  EXPECT_EQ(target_.changes, 1);
}

TEST_F(IoapicTest, LevelThatNobodyTakesIsTriedAgain) {
  target_.accepts = false;
  Program(kPin, kIoapicLevel | kVector);
  ioapic_.SetInput(kPin, true);
  EXPECT_EQ(Low(kPin), kIoapicLevel | kVector);
  target_.accepts = true;
  Program(kPin, kIoapicLevel | kVector);
  EXPECT_EQ(target_.deliveries, 2);
  EXPECT_EQ(Low(kPin), kIoapicLevel | kIoapicRemoteIrr | kVector);
}

TEST_F(IoapicTest, EndOfOneVectorReachesAllItsInputs) {
  Program(10, kIoapicLevel | kVector);
  Program(11, kIoapicLevel | kVector);
  ioapic_.SetInput(10, true);
  ioapic_.SetInput(11, true);
  ioapic_.SetInput(10, false);
  ioapic_.EndOfInterrupt(kVector);
  EXPECT_EQ(Low(10), kIoapicLevel | kVector);
  EXPECT_EQ(target_.deliveries, 3);
}

TEST_F(IoapicTest, SwitchToEdgeForgetsRemoteIrr) {
  Program(kPin, kIoapicLevel | kVector);
  ioapic_.SetInput(kPin, true);
  ioapic_.SetInput(kPin, false);
  Program(kPin, kIoapicMasked | kVector);
  Program(kPin, kIoapicLevel | kVector);
  EXPECT_EQ(Low(kPin), kIoapicLevel | kVector);
  Program(kPin, kVector);
  EXPECT_EQ(target_.watched[kPin], std::nullopt);
}

TEST_F(IoapicTest, WatchFollowsTheMessage) {
  Program(kPin, kIoapicLevel | kVector);
  Program(kPin, kToSecond | kIoapicLevel | kVector);
  EXPECT_EQ(target_.watched[kPin], (IoapicMessage{0xfee01000, 0xc000 | kVector}));
  EXPECT_EQ(target_.changes, 2);
}

TEST_F(IoapicTest, NmiIsAnEdgeWhateverTheTriggerMode) {
  Program(kPin, kIoapicLevel | kIoapicNmi << kIoapicDeliveryShift);
  ioapic_.SetInput(kPin, true);
  EXPECT_EQ(target_.last.data, kIoapicNmi << kIoapicDeliveryShift);
  EXPECT_EQ(Low(kPin) & kIoapicRemoteIrr, 0u);
}

TEST_F(IoapicTest, ExtIntAndReservedModesSendNothing) {
  for (const uint64_t mode : {kIoapicExtInt, uint64_t{3}, uint64_t{6}}) {
    Program(kPin, mode << kIoapicDeliveryShift | kVector);
    ioapic_.SetInput(kPin, true);
    ioapic_.SetInput(kPin, false);
  }
  EXPECT_EQ(target_.deliveries, 0);
}

TEST_F(IoapicTest, SaveRestoreSave) {
  Program(kPin, kIoapicLevel | kVector);
  Program(4, kVector + 1);
  ioapic_.SetInput(kPin, true);
  Select(0x17);
  RecordingIoapicTarget other_target;
  Ioapic other(other_target);
  ASSERT_TRUE(other.Restore(ioapic_.Save()).ok());
  EXPECT_EQ(other.Save(), ioapic_.Save());
  EXPECT_EQ(other_target.deliveries, 0);  // in service already
  EXPECT_EQ(other_target.watched[kPin], target_.watched[kPin]);
  other.EndOfInterrupt(kVector);
  EXPECT_EQ(other_target.deliveries, 1);
}

TEST_F(IoapicTest, ImpossibleStatesAreRefused) {
  const IoapicState good = ioapic_.Save();
  IoapicState bad = good;
  bad.id = 0x10;
  EXPECT_TRUE(absl::IsInvalidArgument(ioapic_.Restore(bad)));
  bad = good;
  bad.inputs = 1u << kIoapicInputs;
  EXPECT_TRUE(absl::IsInvalidArgument(ioapic_.Restore(bad)));
  bad = good;
  bad.entries[3] = kIoapicRemoteIrr;
  EXPECT_TRUE(absl::IsInvalidArgument(ioapic_.Restore(bad)));
  bad.entries[3] = kIoapicPending;
  EXPECT_TRUE(absl::IsInvalidArgument(ioapic_.Restore(bad)));
  EXPECT_EQ(ioapic_.Save(), good);
}

TEST_F(IoapicTest, DevicesAndProcessorsOnTheirOwnThreads) {
  constexpr int kTimes = 1000;
  Program(kPin, kIoapicLevel | kVector);
  std::thread device([this] {
    for (int i = 0; i < kTimes; ++i) {
      ioapic_.SetInput(kPin, true);
      ioapic_.SetInput(kPin, false);
    }
  });
  for (int i = 0; i < kTimes; ++i) ioapic_.EndOfInterrupt(kVector);
  device.join();
  ioapic_.EndOfInterrupt(kVector);
  EXPECT_GE(target_.deliveries, 1);
  EXPECT_EQ(Low(kPin), kIoapicLevel | kVector);
}

}  // namespace
}  // namespace touchstone
