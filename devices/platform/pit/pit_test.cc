#include "devices/platform/pit/pit.h"

#include <vector>

#include "base/event/manual_loop.h"
#include "devices/irq/recording_irq_line.h"
#include "gtest/gtest.h"

namespace touchstone {
namespace {

constexpr uint8_t Control(uint8_t counter, uint8_t mode) {
  return static_cast<uint8_t>(counter << kPitSelectShift | kPitBothBytes << kPitAccessShift |
                              mode << kPitModeShift);
}

constexpr uint16_t kHz1000 = 1193;

class PitTest : public ::testing::Test {
 protected:
  void Out(uint64_t offset, uint8_t value) { pit_.Write(offset, absl::MakeConstSpan(&value, 1)); }
  uint8_t In(uint64_t offset) {
    uint8_t value = 0xff;
    pit_.Read(offset, absl::MakeSpan(&value, 1));
    return value;
  }
  void Program(uint8_t counter, uint8_t mode, uint16_t count) {
    Out(kPitControlOffset, Control(counter, mode));
    Out(counter, static_cast<uint8_t>(count));
    Out(counter, static_cast<uint8_t>(count >> 8));
  }
  void SetSpeaker(uint8_t value) { pit_.speaker().Write(0, absl::MakeConstSpan(&value, 1)); }
  uint8_t Speaker() {
    uint8_t value = 0xff;
    pit_.speaker().Read(0, absl::MakeSpan(&value, 1));
    return value;
  }

  ManualLoop loop_;
  RecordingIrqLine irq_;
  Pit pit_{loop_.clock(), loop_, irq_};
};

TEST_F(PitTest, QuietUntilItIsProgrammed) {
  loop_.Advance(absl::Seconds(10));
  EXPECT_EQ(irq_.rising_edges(), 0);
  EXPECT_FALSE(irq_.level());
}

TEST_F(PitTest, RateInterrupts) {
  Program(0, kPitRate, kHz1000);
  EXPECT_TRUE(irq_.level());
  const int before = irq_.rising_edges();
  loop_.Advance(absl::Seconds(1));
  EXPECT_EQ(irq_.rising_edges() - before, 1000);
}

TEST_F(PitTest, SquareInterruptsOncePerPeriod) {
  Program(0, kPitSquare, kHz1000);
  const int before = irq_.rising_edges();
  loop_.Advance(absl::Milliseconds(100));
  EXPECT_EQ(irq_.rising_edges() - before, 100);
}

TEST_F(PitTest, TerminalCountInterruptsOnceToTheTick) {
  Program(0, kPitTerminalCount, 11931);  // 9.999 ms
  EXPECT_FALSE(irq_.level());
  loop_.Advance(absl::Milliseconds(9) + absl::Microseconds(999));
  EXPECT_EQ(irq_.rising_edges(), 0);
  loop_.Advance(absl::Microseconds(2));
  EXPECT_EQ(irq_.rising_edges(), 1);
  loop_.Advance(absl::Seconds(1));
  EXPECT_EQ(irq_.rising_edges(), 1);
  EXPECT_TRUE(irq_.level());
}

// As Linux's clock event device in one-shot mode.
TEST_F(PitTest, SoftwareStrobeInterrupts) {
  Out(kPitControlOffset, Control(0, kPitSoftwareStrobe));
  const int before = irq_.rising_edges();
  Out(0, 0x00);
  Out(0, 0x10);
  loop_.Advance(absl::Milliseconds(4));
  EXPECT_EQ(irq_.rising_edges() - before, 1);
}

TEST_F(PitTest, NewModeStopsTheOld) {
  Program(0, kPitRate, kHz1000);
  Out(kPitControlOffset, Control(0, kPitTerminalCount));
  const int before = irq_.rising_edges();
  loop_.Advance(absl::Seconds(1));
  EXPECT_EQ(irq_.rising_edges(), before);
  EXPECT_FALSE(irq_.level());
}

TEST_F(PitTest, AbsurdRatesAreLimited) {
  Program(0, kPitRate, 2);
  const int before = irq_.rising_edges();
  loop_.Advance(absl::Milliseconds(100));
  EXPECT_LE(irq_.rising_edges() - before, Pit::kMaxHz / 10 + 1);
  EXPECT_GE(irq_.rising_edges() - before, Pit::kMaxHz / 10 - 1);
}

TEST_F(PitTest, LateRisesAreOne) {
  Program(0, kPitRate, kHz1000);
  const int before = irq_.rising_edges();
  loop_.clock().Advance(absl::Seconds(1));
  loop_.RunReady();
  EXPECT_EQ(irq_.rising_edges() - before, 1);
}

TEST_F(PitTest, AccessFindsARiseThatTheTimerHasNot) {
  Program(0, kPitTerminalCount, 100);
  loop_.clock().Advance(absl::Milliseconds(1));
  Out(1, 0);
  EXPECT_EQ(irq_.rising_edges(), 1);
}

// What quick_pit_calibrate() and pit_calibrate_tsc() of Linux do.
TEST_F(PitTest, SpeakerGateAndOutput) {
  EXPECT_EQ(Speaker() & ~kPitSpeakerRefresh, 0);
  SetSpeaker(kPitSpeakerGate);
  Program(2, kPitTerminalCount, 11931);
  EXPECT_EQ(Speaker() & kPitSpeakerOut, 0);
  loop_.Advance(absl::Milliseconds(11));
  EXPECT_EQ(Speaker() & ~kPitSpeakerRefresh, kPitSpeakerOut | kPitSpeakerGate);
  SetSpeaker(kPitSpeakerData);
  EXPECT_EQ(Speaker() & kPitSpeakerData, kPitSpeakerData);
  EXPECT_EQ(irq_.rising_edges(), 0);
}

TEST_F(PitTest, ClosedGateHoldsTheCount) {
  Program(2, kPitTerminalCount, 1000);
  loop_.Advance(absl::Seconds(1));
  EXPECT_EQ(Speaker() & kPitSpeakerOut, 0);
  EXPECT_EQ(In(2) | In(2) << 8, 1000);
}

TEST_F(PitTest, RefreshToggles) {
  const uint8_t first = Speaker() & kPitSpeakerRefresh;
  loop_.Advance(absl::Nanoseconds(15086));
  EXPECT_NE(Speaker() & kPitSpeakerRefresh, first);
}

TEST_F(PitTest, CountsFollowTheClock) {
  Program(0, kPitRate, 0xffff);
  loop_.Advance(absl::Milliseconds(10));
  const int count = In(0) | In(0) << 8;
  EXPECT_EQ(count, 0xffff - 11930);  // 11931 ticks, the first of which loads it
}

TEST_F(PitTest, ReadBackOfSeveralCounters) {
  Program(0, kPitRate, 1000);
  Program(1, kPitSquare, 2000);
  Out(kPitControlOffset, kPitReadBack << kPitSelectShift | 0x06);
  loop_.Advance(absl::Seconds(1));
  EXPECT_EQ(In(0), kPitStatusOut | (Control(0, kPitRate) & 0x3f));
  EXPECT_EQ(In(0) | In(0) << 8, 1000);
  EXPECT_EQ(In(1), kPitStatusOut | (Control(1, kPitSquare) & 0x3f));
  EXPECT_EQ(In(1) | In(1) << 8, 2000);
}

TEST_F(PitTest, ReadBackOfStatusAlone) {
  Program(0, kPitRate, 1000);
  Out(kPitControlOffset, kPitReadBack << kPitSelectShift | kPitReadBackNoCount | 0x02);
  EXPECT_EQ(In(0), kPitStatusOut | (Control(0, kPitRate) & 0x3f));
  EXPECT_EQ(In(0) | In(0) << 8, 1000);
}

TEST_F(PitTest, ControlWordIsNotRead) { EXPECT_EQ(In(kPitControlOffset), 0xff); }

TEST_F(PitTest, WideAccessesAreSplit) {
  const uint8_t words[4] = {0, 0, 0, Control(0, kPitRate)};
  pit_.Write(0, words);
  uint8_t bytes[8];
  std::fill_n(bytes, 8, 0xee);
  pit_.Read(2, absl::MakeSpan(bytes));
  EXPECT_NE(bytes[0], 0xee);
  EXPECT_EQ(bytes[1], 0xee);
}

TEST_F(PitTest, SaveRestoreSave) {
  Program(0, kPitRate, kHz1000);
  SetSpeaker(kPitSpeakerGate | kPitSpeakerData);
  Program(2, kPitSquare, 777);
  loop_.Advance(absl::Microseconds(12345));
  RecordingIrqLine other_irq;
  Pit other(loop_.clock(), loop_, other_irq);
  ASSERT_TRUE(other.Restore(pit_.Save()).ok());
  EXPECT_EQ(other.Save(), pit_.Save());
  const int before = other_irq.rising_edges();
  loop_.Advance(absl::Milliseconds(100));
  EXPECT_EQ(other_irq.rising_edges() - before, 100);
}

TEST_F(PitTest, ImpossibleStateChangesNothing) {
  Program(0, kPitRate, kHz1000);
  const PitState before = pit_.Save();
  PitState bad = before;
  bad.counters[2].mode = 7;
  EXPECT_TRUE(absl::IsInvalidArgument(pit_.Restore(bad)));
  bad = before;
  bad.counters[1].gate = false;
  EXPECT_TRUE(absl::IsInvalidArgument(pit_.Restore(bad)));
  EXPECT_EQ(pit_.Save(), before);
}

}  // namespace
}  // namespace touchstone
