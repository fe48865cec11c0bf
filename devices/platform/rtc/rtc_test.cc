#include "devices/platform/rtc/rtc.h"

#include <vector>

#include "absl/time/civil_time.h"
#include "base/event/manual_loop.h"
#include "devices/irq/recording_irq_line.h"
#include "gtest/gtest.h"

namespace touchstone {
namespace {

constexpr RtcMemorySizes kMemory = {.below_4g = uint64_t{3} << 30, .above_4g = uint64_t{5} << 30};

class RtcTest : public ::testing::Test {
 protected:
  uint8_t In(uint8_t index) {
    Select(index);
    uint8_t value = 0xff;
    rtc_.Read(kRtcDataOffset, absl::MakeSpan(&value, 1));
    return value;
  }
  void Out(uint8_t index, uint8_t value) {
    Select(index);
    rtc_.Write(kRtcDataOffset, absl::MakeConstSpan(&value, 1));
  }
  void Select(uint8_t index) { rtc_.Write(kRtcIndexOffset, absl::MakeConstSpan(&index, 1)); }
  // In BCD, as Linux does it (mc146818_set_time).
  void SetTime(uint8_t century, uint8_t year, uint8_t month, uint8_t day, uint8_t hour,
               uint8_t minute, uint8_t second) {
    const uint8_t control = In(kRtcRegisterB);
    const uint8_t frequency = In(kRtcRegisterA);
    Out(kRtcRegisterB, control | kRtcSet);
    Out(kRtcRegisterA, 0x70);
    Out(kRtcYear, year);
    Out(kRtcMonth, month);
    Out(kRtcDay, day);
    Out(kRtcHours, hour);
    Out(kRtcMinutes, minute);
    Out(kRtcSeconds, second);
    Out(kRtcCentury, century);
    Out(kRtcRegisterB, control);
    Out(kRtcRegisterA, frequency);
  }
  void SetAlarm(uint8_t hour, uint8_t minute, uint8_t second) {
    Out(kRtcHoursAlarm, hour);
    Out(kRtcMinutesAlarm, minute);
    Out(kRtcSecondsAlarm, second);
  }

  ManualLoop loop_;  // its clock starts at 2000-01-01T00:00:00Z, a Saturday
  RecordingIrqLine irq_;
  int alarms_ = 0;
  Rtc rtc_{loop_.clock(), loop_, irq_, kMemory, [this] { ++alarms_; }};
};

TEST_F(RtcTest, ShowsTheHostsTimeInBcd) {
  loop_.clock().SetNow(
      absl::FromCivil(absl::CivilSecond(2026, 11, 21, 15, 42, 7), absl::UTCTimeZone()));
  EXPECT_EQ(In(kRtcSeconds), 0x07);
  EXPECT_EQ(In(kRtcMinutes), 0x42);
  EXPECT_EQ(In(kRtcHours), 0x15);
  EXPECT_EQ(In(kRtcWeekday), 0x07);
  EXPECT_EQ(In(kRtcDay), 0x21);
  EXPECT_EQ(In(kRtcMonth), 0x11);
  EXPECT_EQ(In(kRtcYear), 0x26);
  EXPECT_EQ(In(kRtcCentury), 0x20);
}

TEST_F(RtcTest, PowerOnRegisters) {
  EXPECT_EQ(In(kRtcRegisterA), kRtcInitialA);
  EXPECT_EQ(In(kRtcRegisterB), kRtcInitialB);
  EXPECT_EQ(In(kRtcRegisterC), 0);
  EXPECT_EQ(In(kRtcRegisterD), kRtcValid);
}

TEST_F(RtcTest, IndexBit7IsTheNmiMask) {
  EXPECT_EQ(In(0x80 | kRtcRegisterD), kRtcValid);
  EXPECT_EQ(In(kRtcRegisterA | 0x80), kRtcInitialA);
}

TEST_F(RtcTest, MemorySizes) {
  EXPECT_EQ(In(0x15) | In(0x16) << 8, 640);
  EXPECT_EQ(In(0x17) | In(0x18) << 8, 0xffff);
  EXPECT_EQ(In(0x30) | In(0x31) << 8, 0xffff);
  EXPECT_EQ(In(0x34) | In(0x35) << 8, (3 * 1024 - 16) * 16);
  EXPECT_EQ(In(0x5b) | In(0x5c) << 8 | In(0x5d) << 16, 5 * 1024 * 16);
}

TEST_F(RtcTest, SmallAndHugeMemory) {
  Rtc small(loop_.clock(), loop_, irq_, {.below_4g = 512 << 10, .above_4g = 0}, nullptr);
  const RtcRegisters low = small.Save().registers;
  EXPECT_EQ(low[0x15] | low[0x16] << 8, 512);
  EXPECT_EQ(low[0x34] | low[0x35] << 8, 0);
  Rtc huge(loop_.clock(), loop_, irq_, {.below_4g = 1 << 30, .above_4g = UINT64_MAX}, nullptr);
  const RtcRegisters high = huge.Save().registers;
  EXPECT_EQ(high[0x5b] | high[0x5c] << 8 | high[0x5d] << 16, 0xffffff);
}

TEST_F(RtcTest, MemoryBytesKeepWhatIsWritten) {
  for (uint8_t index = 0x0e; index < kRtcSize; ++index) {
    if (IsRtcTime(index)) continue;
    Out(index, index ^ 0xa5);
    EXPECT_EQ(In(index), index ^ 0xa5);
  }
}

TEST_F(RtcTest, UpdateInProgressAtTheEndOfEachSecond) {
  loop_.Advance(absl::Seconds(1) - Rtc::kUpdateWarning - absl::Nanoseconds(1));
  EXPECT_EQ(In(kRtcRegisterA) & kRtcUpdateInProgress, 0);
  loop_.Advance(absl::Nanoseconds(1));
  EXPECT_EQ(In(kRtcRegisterA), kRtcInitialA | kRtcUpdateInProgress);
  EXPECT_EQ(In(kRtcSeconds), 0x00);
  loop_.Advance(Rtc::kUpdateWarning);
  EXPECT_EQ(In(kRtcRegisterA), kRtcInitialA);
  EXPECT_EQ(In(kRtcSeconds), 0x01);
}

TEST_F(RtcTest, TimeCanBeSetAndGoesOnFromHalfASecond) {
  SetTime(0x20, 0x38, 0x01, 0x19, 0x03, 0x14, 0x07);
  EXPECT_EQ(In(kRtcSeconds), 0x07);
  loop_.Advance(absl::Milliseconds(499));
  EXPECT_EQ(In(kRtcSeconds), 0x07);
  loop_.Advance(absl::Milliseconds(1));
  EXPECT_EQ(In(kRtcSeconds), 0x08);
  EXPECT_EQ(In(kRtcYear), 0x38);
  loop_.Advance(absl::Hours(24));
  EXPECT_EQ(In(kRtcDay), 0x20);
}

TEST_F(RtcTest, ClockStandsStillWhileItIsSet) {
  Out(kRtcRegisterB, kRtcInitialB | kRtcSet);
  loop_.Advance(absl::Minutes(3));
  EXPECT_EQ(In(kRtcMinutes), 0x00);
  EXPECT_EQ(In(kRtcRegisterC) & kRtcUpdate, 0);

  Out(kRtcRegisterB, kRtcInitialB);

  EXPECT_EQ(In(kRtcMinutes), 0x03);  // nobody wrote: no time is lost
}

TEST_F(RtcTest, DateThatDoesNotExistIsNotTakenOver) {
  SetTime(0x20, 0x26, 0x02, 0x30, 0x12, 0x00, 0x00);
  EXPECT_EQ(In(kRtcYear), 0x00);
  EXPECT_EQ(In(kRtcMonth), 0x01);
  EXPECT_EQ(In(kRtcDay), 0x01);
}

TEST_F(RtcTest, FieldWrittenWhileTheClockRuns) {
  Out(kRtcHours, 0x17);
  EXPECT_EQ(In(kRtcHours), 0x17);
  EXPECT_EQ(In(kRtcDay), 0x01);
}

TEST_F(RtcTest, BinaryAndTwelveHours) {
  loop_.Advance(absl::Hours(13) + absl::Minutes(45));
  Out(kRtcRegisterB, kRtcBinary);
  EXPECT_EQ(In(kRtcHours), kRtcHourPm | 1);
  EXPECT_EQ(In(kRtcMinutes), 45);
  EXPECT_EQ(In(kRtcCentury), 20);
}

TEST_F(RtcTest, UpdateInterruptEachSecondUntilRead) {
  Out(kRtcRegisterB, kRtcInitialB | kRtcUpdateEnable);
  loop_.Advance(absl::Milliseconds(999));
  EXPECT_FALSE(irq_.level());
  loop_.Advance(absl::Milliseconds(1));
  EXPECT_TRUE(irq_.level());
  loop_.Advance(absl::Seconds(10));
  EXPECT_EQ(irq_.rising_edges(), 1);

  EXPECT_EQ(In(kRtcRegisterC), kRtcInterrupt | kRtcUpdate | kRtcPeriodic);
  EXPECT_FALSE(irq_.level());
  EXPECT_EQ(In(kRtcRegisterC), 0);
  loop_.Advance(absl::Seconds(1));
  EXPECT_TRUE(irq_.level());
}

TEST_F(RtcTest, SetClearsUpdateEnable) {
  Out(kRtcRegisterB, kRtcInitialB | kRtcUpdateEnable | kRtcSet);
  EXPECT_EQ(In(kRtcRegisterB), kRtcInitialB | kRtcSet);
}

TEST_F(RtcTest, AlarmInterruptsAndWakes) {
  SetAlarm(0x00, 0x05, 0x30);
  Out(kRtcRegisterB, kRtcInitialB | kRtcAlarmEnable);
  loop_.Advance(absl::Minutes(5) + absl::Seconds(29));
  EXPECT_FALSE(irq_.level());
  loop_.Advance(absl::Seconds(1));

  EXPECT_TRUE(irq_.level());
  EXPECT_EQ(alarms_, 1);
  EXPECT_EQ(In(kRtcRegisterC) & (kRtcInterrupt | kRtcAlarm), kRtcInterrupt | kRtcAlarm);
  loop_.Advance(absl::Hours(24));
  EXPECT_EQ(alarms_, 2);
}

TEST_F(RtcTest, AlarmWithDate) {
  SetAlarm(0x06, 0x00, 0x00);
  Out(kRtcDayAlarm, 0x03);
  Out(kRtcMonthAlarm, 0x02);
  Out(kRtcRegisterB, kRtcInitialB | kRtcAlarmEnable);
  loop_.Advance(absl::Hours(24 * 33 + 6) - absl::Seconds(1));
  EXPECT_EQ(alarms_, 0);
  loop_.Advance(absl::Seconds(1));
  EXPECT_EQ(alarms_, 1);
}

TEST_F(RtcTest, DisabledAlarmRaisesItsFlagOnly) {
  SetAlarm(0x00, 0x00, 0x10);
  loop_.Advance(absl::Seconds(11));
  EXPECT_EQ(In(kRtcRegisterC), kRtcAlarm | kRtcUpdate | kRtcPeriodic);
  EXPECT_EQ(alarms_, 0);
  EXPECT_EQ(irq_.rising_edges(), 0);
}

TEST_F(RtcTest, HostClockStepIsNoticed) {
  SetAlarm(0x12, 0x00, 0x00);
  Out(kRtcRegisterB, kRtcInitialB | kRtcAlarmEnable);
  loop_.clock().SetNow(loop_.clock().Now() + absl::Hours(12) - absl::Seconds(1));
  loop_.Advance(Rtc::kMaxSleep);
  EXPECT_EQ(alarms_, 1);

  loop_.clock().SetNow(loop_.clock().Now() - absl::Hours(1));
  In(kRtcRegisterC);
  loop_.Advance(absl::Hours(1));
  EXPECT_EQ(alarms_, 2);
}

TEST_F(RtcTest, PeriodicInterruptKeepsItsPace) {
  Out(kRtcRegisterA, 0x2d);  // 8 Hz
  Out(kRtcRegisterB, kRtcInitialB | kRtcPeriodicEnable);
  for (int i = 1; i <= 16; ++i) {
    loop_.Advance(absl::Seconds(1) / 8);
    EXPECT_EQ(irq_.rising_edges(), i);
    EXPECT_NE(In(kRtcRegisterC) & kRtcPeriodic, 0);
  }
}

TEST_F(RtcTest, TimerDrivenPeriodicRateIsBounded) {
  for (uint8_t rate = 1; rate <= kRtcRateMask; ++rate) {
    Out(kRtcRegisterA, 0x20 | rate);
    Out(kRtcRegisterB, kRtcInitialB | kRtcPeriodicEnable);
    const int before = irq_.rising_edges();
    int turns = 0;
    for (int i = 0; i < 10000; ++i) {  // a tenth of a second
      turns += loop_.Advance(absl::Microseconds(10));
      if (irq_.level()) In(kRtcRegisterC);
    }
    EXPECT_LE(irq_.rising_edges() - before, Rtc::kMaxPeriodicHz / 10 + 1);
    EXPECT_LE(turns, Rtc::kMaxPeriodicHz / 10 + 1);
    Out(kRtcRegisterB, kRtcInitialB);
    In(kRtcRegisterC);
  }
}

TEST_F(RtcTest, UnacknowledgedInterruptCostsNoMoreTimers) {
  Out(kRtcRegisterB, kRtcInitialB | kRtcPeriodicEnable);
  loop_.Advance(absl::Seconds(1));
  EXPECT_LE(loop_.Advance(absl::Seconds(1)), 1);
  EXPECT_EQ(irq_.rising_edges(), 1);
}

TEST_F(RtcTest, WideAccessesAreBytes) {
  const uint8_t index_and_data[] = {0x40, 0x77};
  rtc_.Write(kRtcIndexOffset, index_and_data);
  EXPECT_EQ(In(0x40), 0x77);
  uint8_t both[4] = {0xff, 0xff, 0xff, 0xff};
  rtc_.Read(kRtcIndexOffset, absl::MakeSpan(both));
  EXPECT_EQ(both[0], 0xff);
  EXPECT_EQ(both[1], 0x77);
  EXPECT_EQ(both[2], 0xff);
}

// Every register, width, offset and odd value: the read-only and reserved bits hold.
TEST_F(RtcTest, SweepOfRegistersWidthsAndValues) {
  for (const uint8_t value : {0x00, 0x01, 0x59, 0x80, 0xa5, 0xff}) {
    for (int index = 0; index < 256; ++index) {
      for (uint64_t offset = 0; offset <= kRtcPortCount; ++offset) {
        const size_t width = 1 + static_cast<size_t>(index) % 8;
        Select(static_cast<uint8_t>(index));
        rtc_.Write(offset, std::vector<uint8_t>(width, value));
        std::vector<uint8_t> data(width, 0xff);
        rtc_.Read(offset, absl::MakeSpan(data));
        loop_.Advance(absl::Milliseconds(7));
      }
    }
    EXPECT_EQ(In(kRtcRegisterD), kRtcValid);
    EXPECT_EQ(In(kRtcRegisterC) & 0x0f, 0);
    EXPECT_EQ(In(kRtcRegisterB) & ~kRtcBMask, 0);
  }
}

TEST_F(RtcTest, SaveRestoreSaveIsEqual) {
  SetTime(0x19, 0x99, 0x12, 0x31, 0x23, 0x59, 0x58);
  SetAlarm(0xff, 0xff, 0x10);
  Out(0x50, 0x12);
  Out(kRtcRegisterB, kRtcInitialB | kRtcAlarmEnable | kRtcUpdateEnable);
  loop_.Advance(absl::Seconds(2));
  const RtcState state = rtc_.Save();

  RecordingIrqLine irq;
  Rtc other(loop_.clock(), loop_, irq, {}, nullptr);
  ASSERT_TRUE(other.Restore(state).ok());

  EXPECT_EQ(other.Save(), state);
  EXPECT_TRUE(irq.level());
}

TEST_F(RtcTest, SaveRestoreWhileTheClockStandsStill) {
  Out(kRtcRegisterB, kRtcInitialB | kRtcSet);
  Out(kRtcYear, 0x42);
  const RtcState state = rtc_.Save();
  Rtc other(loop_.clock(), loop_, irq_, {}, nullptr);
  ASSERT_TRUE(other.Restore(state).ok());
  EXPECT_EQ(other.Save(), state);
  EXPECT_EQ(state.registers[kRtcYear], 0x42);
}

TEST_F(RtcTest, AlarmMissedWhileSavedGoesOffOnRestore) {
  SetAlarm(0x01, 0x00, 0x00);
  Out(kRtcRegisterB, kRtcInitialB | kRtcAlarmEnable);
  const RtcState state = rtc_.Save();
  ManualLoop later;
  later.Advance(absl::Hours(2));
  RecordingIrqLine irq;
  int alarms = 0;
  Rtc other(later.clock(), later, irq, {}, [&alarms] { ++alarms; });

  ASSERT_TRUE(other.Restore(state).ok());

  EXPECT_TRUE(irq.level());
  EXPECT_EQ(alarms, 1);
}

TEST_F(RtcTest, RestoreOfGarbageIsAnErrorAndChangesNothing) {
  const RtcState good = rtc_.Save();
  std::vector<RtcState> garbage(10, good);
  garbage[0].index = 0x80;
  garbage[1].registers[kRtcRegisterA] |= kRtcUpdateInProgress;
  garbage[2].registers[kRtcRegisterB] |= 1;
  garbage[3].registers[kRtcRegisterC] = kRtcUpdate;
  garbage[4].registers[kRtcRegisterD] = kRtcValid;
  garbage[5].flags = kRtcInterrupt;
  garbage[6].offset = absl::InfiniteDuration();
  garbage[7].checked = absl::InfinitePast();
  garbage[8].registers[kRtcSeconds] = 1;  // while the clock runs
  garbage[9].time_written = true;         // likewise
  for (const RtcState& state : garbage) {
    EXPECT_EQ(rtc_.Restore(state).code(), absl::StatusCode::kInvalidArgument);
    EXPECT_EQ(rtc_.Save(), good);
  }
}

}  // namespace
}  // namespace touchstone
