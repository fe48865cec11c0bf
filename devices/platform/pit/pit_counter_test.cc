#include "devices/platform/pit/pit_counter.h"

#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace touchstone {
namespace {

using ::testing::ElementsAre;

constexpr uint8_t Mode(uint8_t mode, uint8_t access = kPitLowByte) {
  return static_cast<uint8_t>(access << kPitAccessShift | mode << kPitModeShift);
}

class PitCounterTest : public ::testing::Test {
 protected:
  // Programs a mode and a count of one byte at tick 0: it is loaded at tick 1.
  void Program(uint8_t mode, uint8_t count) {
    counter_.WriteControl(Mode(mode), 0);
    counter_.Write(count, 0);
  }
  std::vector<int> Counts(int64_t first, int64_t last) {
    std::vector<int> counts;
    for (int64_t tick = first; tick <= last; ++tick) counts.push_back(counter_.Read(tick));
    return counts;
  }
  std::vector<int> Outs(int64_t first, int64_t last) {
    std::vector<int> outs;
    for (int64_t tick = first; tick <= last; ++tick) outs.push_back(counter_.Out(tick) ? 1 : 0);
    return outs;
  }

  PitCounter counter_{true};
};

// The sequences are those of the data sheet's figures 15 to 20.

TEST_F(PitCounterTest, TerminalCount) {
  Program(kPitTerminalCount, 4);
  EXPECT_THAT(Outs(0, 6), ElementsAre(0, 0, 0, 0, 0, 1, 1));
  EXPECT_THAT(Counts(7, 8), ElementsAre(0xfe, 0xfd));
}

TEST_F(PitCounterTest, TerminalCountCounts) {
  Program(kPitTerminalCount, 4);
  EXPECT_THAT(Counts(1, 7), ElementsAre(4, 3, 2, 1, 0, 0xff, 0xfe));
}

TEST_F(PitCounterTest, TerminalCountStandsStillWithoutGate) {
  Program(kPitTerminalCount, 3);
  counter_.SetGate(false, 2);
  EXPECT_THAT(Counts(3, 4), ElementsAre(2, 2));
  counter_.SetGate(true, 5);
  EXPECT_EQ(counter_.NextRise(5), 7);
  EXPECT_THAT(Outs(5, 7), ElementsAre(0, 0, 1));
}

TEST_F(PitCounterTest, TerminalCountLoadedWithoutGate) {
  counter_.SetGate(false, 0);
  Program(kPitTerminalCount, 2);
  EXPECT_FALSE(counter_.Out(100));
  counter_.SetGate(true, 100);
  EXPECT_EQ(counter_.NextRise(100), 102);
}

TEST_F(PitCounterTest, FirstByteOfTerminalCountStopsIt) {
  counter_.WriteControl(Mode(kPitTerminalCount, kPitBothBytes), 0);
  counter_.Write(0x02, 0);
  counter_.Write(0x00, 0);
  EXPECT_TRUE(counter_.Out(10));
  counter_.Write(0x05, 10);
  EXPECT_FALSE(counter_.Out(1000));
  counter_.Write(0x01, 1000);
  EXPECT_EQ(counter_.NextRise(1000), 1001 + 0x105);
}

TEST_F(PitCounterTest, OneShot) {
  Program(kPitOneShot, 3);
  EXPECT_THAT(Outs(0, 3), ElementsAre(1, 1, 1, 1));
  EXPECT_EQ(counter_.NextRise(3), std::nullopt);
  counter_.SetGate(false, 3);
  counter_.SetGate(true, 4);
  EXPECT_THAT(Outs(4, 9), ElementsAre(1, 0, 0, 0, 1, 1));
}

TEST_F(PitCounterTest, OneShotIsRetriggered) {
  Program(kPitOneShot, 3);
  counter_.SetGate(false, 3);
  counter_.SetGate(true, 4);
  counter_.SetGate(false, 5);
  counter_.SetGate(true, 6);
  EXPECT_EQ(counter_.NextRise(6), 10);
  EXPECT_THAT(Outs(6, 10), ElementsAre(0, 0, 0, 0, 1));
}

TEST_F(PitCounterTest, Rate) {
  Program(kPitRate, 3);
  EXPECT_THAT(Counts(1, 7), ElementsAre(3, 2, 1, 3, 2, 1, 3));
}

TEST_F(PitCounterTest, RateOutputs) {
  Program(kPitRate, 3);
  EXPECT_THAT(Outs(0, 7), ElementsAre(1, 1, 1, 0, 1, 1, 0, 1));
  EXPECT_EQ(counter_.NextRise(7), 10);
}

TEST_F(PitCounterTest, NewRateWaitsForTheEndOfThePeriod) {
  Program(kPitRate, 4);
  counter_.Write(6, 2);
  EXPECT_THAT(Counts(2, 6), ElementsAre(3, 2, 1, 6, 5));
}

TEST_F(PitCounterTest, RateStartsAnewWithTheGate) {
  Program(kPitRate, 4);
  counter_.SetGate(false, 4);
  EXPECT_TRUE(counter_.Out(4));  // it was low there
  EXPECT_EQ(counter_.NextRise(4), std::nullopt);
  counter_.SetGate(true, 10);
  EXPECT_THAT(Outs(10, 15), ElementsAre(1, 1, 1, 1, 0, 1));
}

TEST_F(PitCounterTest, EvenSquare) {
  Program(kPitSquare, 4);
  EXPECT_THAT(Counts(1, 6), ElementsAre(4, 2, 4, 2, 4, 2));
}

TEST_F(PitCounterTest, OddSquare) {
  Program(kPitSquare, 5);
  EXPECT_THAT(Counts(1, 8), ElementsAre(4, 2, 0, 4, 2, 4, 2, 0));
}

TEST_F(PitCounterTest, SquareOutputs) {
  Program(kPitSquare, 5);
  EXPECT_EQ(counter_.NextRise(0), 6);
  EXPECT_THAT(Outs(1, 9), ElementsAre(1, 1, 1, 0, 0, 1, 1, 1, 0));
  EXPECT_EQ(counter_.NextRise(9), 11);
}

TEST_F(PitCounterTest, NewSquareWaitsForTheEndOfTheHalf) {
  Program(kPitSquare, 4);
  counter_.Write(6, 2);
  EXPECT_EQ(counter_.NextRise(2), 6);
  EXPECT_THAT(Outs(2, 9), ElementsAre(1, 0, 0, 0, 1, 1, 1, 0));
}

TEST_F(PitCounterTest, SquareAfterALongTime) {
  Program(kPitSquare, 5);
  const int64_t late = 1 + int64_t{5} * 1'000'000'000'000;
  EXPECT_THAT(Outs(late, late + 4), ElementsAre(1, 1, 1, 0, 0));
}

TEST_F(PitCounterTest, CountOfOneChangesNothing) {
  Program(kPitSquare, 1);
  EXPECT_THAT(Outs(0, 4), ElementsAre(1, 1, 1, 1, 1));
  EXPECT_EQ(counter_.NextRise(4), std::nullopt);
  counter_.WriteControl(Mode(kPitRate), 5);
  counter_.Write(1, 5);
  EXPECT_THAT(Outs(5, 8), ElementsAre(1, 1, 1, 1));
  EXPECT_EQ(counter_.NextRise(8), std::nullopt);
}

TEST_F(PitCounterTest, SoftwareStrobe) {
  Program(kPitSoftwareStrobe, 3);
  EXPECT_EQ(counter_.NextRise(0), 5);
  EXPECT_THAT(Outs(0, 6), ElementsAre(1, 1, 1, 1, 0, 1, 1));
  EXPECT_EQ(counter_.NextRise(6), std::nullopt);
}

TEST_F(PitCounterTest, HardwareStrobe) {
  Program(kPitHardwareStrobe, 2);
  EXPECT_EQ(counter_.NextRise(1), std::nullopt);
  counter_.SetGate(false, 1);
  counter_.SetGate(true, 2);
  EXPECT_THAT(Outs(2, 6), ElementsAre(1, 1, 1, 0, 1));
}

TEST_F(PitCounterTest, ModesSixAndSevenAreTwoAndThree) {
  counter_.WriteControl(Mode(6), 0);
  EXPECT_EQ(counter_.Save(0).mode, kPitRate);
  counter_.WriteControl(Mode(7), 0);
  EXPECT_EQ(counter_.Save(0).mode, kPitSquare);
}

TEST_F(PitCounterTest, ZeroIsTheLargestCount) {
  Program(kPitRate, 0);
  EXPECT_EQ(counter_.NextRise(0), 65537);
  counter_.WriteControl(Mode(kPitRate) | kPitBcd, 10);
  counter_.Write(0, 10);
  EXPECT_EQ(counter_.NextRise(10), 10011);
}

TEST_F(PitCounterTest, Bcd) {
  counter_.WriteControl(Mode(kPitTerminalCount, kPitBothBytes) | kPitBcd, 0);
  counter_.Write(0x00, 0);
  counter_.Write(0x10, 0);
  EXPECT_EQ(counter_.Read(2), 0x99);
  EXPECT_EQ(counter_.Read(2), 0x09);
  EXPECT_EQ(counter_.Read(1002), 0x99);  // one below 0
  EXPECT_EQ(counter_.Read(1002), 0x99);
}

TEST_F(PitCounterTest, AccessByBytes) {
  counter_.WriteControl(Mode(kPitRate, kPitHighByte), 0);
  counter_.Write(0x12, 0);
  EXPECT_EQ(counter_.Read(1), 0x12);
  EXPECT_EQ(counter_.Read(2), 0x11);
  counter_.WriteControl(Mode(kPitRate, kPitBothBytes), 3);
  counter_.Write(0x34, 3);
  counter_.Write(0x12, 3);
  EXPECT_EQ(counter_.Read(4), 0x34);
  EXPECT_EQ(counter_.Read(4), 0x12);
}

TEST_F(PitCounterTest, LatchedCountStandsStill) {
  counter_.WriteControl(Mode(kPitRate, kPitBothBytes), 0);
  counter_.Write(0x34, 0);
  counter_.Write(0x12, 0);
  counter_.WriteControl(0, 1);
  counter_.WriteControl(0, 5);  // ignored
  EXPECT_EQ(counter_.Read(100), 0x34);
  EXPECT_EQ(counter_.Read(200), 0x12);
  EXPECT_EQ(counter_.Read(2), 0x33);
}

TEST_F(PitCounterTest, StatusComesBeforeTheCount) {
  Program(kPitRate, 9);
  counter_.LatchCount(1);
  counter_.LatchStatus(1);
  EXPECT_EQ(counter_.Read(4), kPitStatusOut | Mode(kPitRate));
  EXPECT_EQ(counter_.Read(4), 9);
  EXPECT_EQ(counter_.Read(4), 6);
}

TEST_F(PitCounterTest, NullCountUntilTheCountIsLoaded) {
  counter_.WriteControl(Mode(kPitTerminalCount), 0);
  counter_.LatchStatus(0);
  EXPECT_EQ(counter_.Read(0), kPitStatusNull | Mode(kPitTerminalCount));
  counter_.Write(200, 1);
  counter_.LatchStatus(1);
  EXPECT_EQ(counter_.Read(1), kPitStatusNull | Mode(kPitTerminalCount));
  counter_.LatchStatus(2);
  EXPECT_EQ(counter_.Read(2), Mode(kPitTerminalCount));
}

TEST_F(PitCounterTest, NullCountUntilThePeriodEnds) {
  Program(kPitRate, 10);
  counter_.Write(20, 5);
  counter_.LatchStatus(5);
  EXPECT_EQ(counter_.Read(5) & kPitStatusNull, kPitStatusNull);
  counter_.LatchStatus(11);
  EXPECT_EQ(counter_.Read(11) & kPitStatusNull, 0);
}

TEST_F(PitCounterTest, RestoredCounterGoesOn) {
  Program(kPitRate, 100);
  const PitCounterState saved = counter_.Save(31);
  PitCounter other(true);
  ASSERT_TRUE(other.Restore(saved, 1000));
  EXPECT_EQ(other.Save(1000), saved);
  EXPECT_EQ(other.Read(1000), counter_.Read(31));
}

TEST_F(PitCounterTest, ImpossibleStatesAreRefused) {
  Program(kPitRate, 100);
  const PitCounterState good = counter_.Save(5);
  PitCounterState bad = good;
  bad.mode = 6;
  EXPECT_FALSE(counter_.Restore(bad, 5));
  bad = good;
  bad.initial = 0;
  EXPECT_FALSE(counter_.Restore(bad, 5));
  bad = good;
  bad.access = kPitLatch;
  EXPECT_FALSE(counter_.Restore(bad, 5));
  bad = good;
  bad.start = 2;
  EXPECT_FALSE(counter_.Restore(bad, 5));
  bad = good;
  bad.gate = false;
  EXPECT_FALSE(counter_.Restore(bad, 5));
  EXPECT_EQ(counter_.Save(5), good);
}

}  // namespace
}  // namespace touchstone
