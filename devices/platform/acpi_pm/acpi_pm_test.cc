#include "devices/platform/acpi_pm/acpi_pm.h"

#include <vector>

#include "base/endian.h"
#include "base/event/manual_loop.h"
#include "devices/irq/recording_irq_line.h"
#include "gtest/gtest.h"

namespace touchstone {
namespace {

constexpr uint16_t kSleepS1 = kPm1SleepEnable | kSleepTypeStandby << kPm1SleepTypeShift;
constexpr uint16_t kSleepS5 = kPm1SleepEnable | kSleepTypeSoftOff << kPm1SleepTypeShift;

class AcpiPmTest : public ::testing::Test {
 protected:
  uint64_t In(uint64_t offset, size_t width) {
    uint8_t data[8] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff};
    pm_.Read(offset, absl::MakeSpan(data, width));
    return LoadLe(absl::MakeConstSpan(data, width));
  }
  void Out(uint64_t offset, size_t width, uint64_t value) {
    uint8_t data[8];
    StoreLe(value, absl::MakeSpan(data, width));
    pm_.Write(offset, absl::MakeConstSpan(data, width));
  }
  uint64_t Status() { return In(kPm1StatusOffset, 2); }

  ManualLoop loop_;
  RecordingIrqLine sci_;
  int power_offs_ = 0;
  int suspends_ = 0;
  int wakes_ = 0;
  AcpiPm pm_{loop_.clock(),
             loop_,
             sci_,
             {.on_power_off = [this] { ++power_offs_; },
              .on_suspend = [this] { ++suspends_; },
              .on_wake = [this] { ++wakes_; }}};
};

TEST_F(AcpiPmTest, StartsInAcpiModeWithNothingPending) {
  EXPECT_EQ(In(kPm1StatusOffset, 4), 0);
  EXPECT_EQ(In(kPm1ControlOffset, 2), kPm1SciEnable);
  EXPECT_EQ(In(kPmTimerOffset, 4), 0);
  EXPECT_EQ(In(kGpe0Offset, 8), 0);
  EXPECT_FALSE(sci_.level());
}

TEST_F(AcpiPmTest, ReservedBitsReadZeroAndSciEnableStays) {
  Out(kPm1EnableOffset, 2, 0xffff);
  Out(kPm1ControlOffset, 2, 0xffff & ~kPm1SleepEnable);
  EXPECT_EQ(In(kPm1EnableOffset, 2), kPm1EnableMask);
  EXPECT_EQ(In(kPm1ControlOffset, 2), kPm1ControlKept | kPm1SciEnable);
  Out(kPm1ControlOffset, 2, 0);
  EXPECT_EQ(In(kPm1ControlOffset, 2), kPm1SciEnable);
}

TEST_F(AcpiPmTest, PowerButtonInterruptsUntilCleared) {
  Out(kPm1EnableOffset, 2, kPm1PowerButtonEnable);

  pm_.PressPowerButton();
  EXPECT_TRUE(sci_.level());
  EXPECT_EQ(Status(), kPm1PowerButtonStatus);

  Out(kPm1StatusOffset, 2, kPm1SleepButtonStatus);
  EXPECT_TRUE(sci_.level());
  Out(kPm1StatusOffset, 2, kPm1PowerButtonStatus);
  EXPECT_FALSE(sci_.level());
  EXPECT_EQ(Status(), 0);
}

TEST_F(AcpiPmTest, DisabledEventIsSeenAndInterruptsOnceEnabled) {
  pm_.PressSleepButton();
  pm_.NotifyRtcAlarm();
  EXPECT_EQ(Status(), kPm1SleepButtonStatus | kPm1RtcStatus);
  EXPECT_FALSE(sci_.level());

  Out(kPm1EnableOffset + 1, 1, kPm1RtcEnable >> 8);

  EXPECT_TRUE(sci_.level());
}

TEST_F(AcpiPmTest, GeneralPurposeEvents) {
  Out(kGpe0Offset + kGpe0HalfLength + 2, 1, 0x08);
  pm_.RaiseGpe(18);
  EXPECT_FALSE(sci_.level());
  pm_.RaiseGpe(19);
  EXPECT_TRUE(sci_.level());
  EXPECT_EQ(In(kGpe0Offset + 2, 1), 0x0c);

  Out(kGpe0Offset, 4, 0x00080000);

  EXPECT_FALSE(sci_.level());
  EXPECT_EQ(In(kGpe0Offset + 2, 1), 0x04);
}

TEST_F(AcpiPmTest, EventsThatDoNotExistAreIgnored) {
  const AcpiPmState before = pm_.Save();
  for (const int gpe : {-1, kGpeCount, INT32_MAX, INT32_MIN}) pm_.RaiseGpe(gpe);
  EXPECT_EQ(pm_.Save(), before);
  pm_.RaiseGpe(kGpeCount - 1);
  EXPECT_EQ(In(kGpe0Offset + kGpe0HalfLength - 1, 1), 0x80);
}

TEST_F(AcpiPmTest, SoftOff) {
  Out(kPm1ControlOffset, 2, kSleepS5 & ~kPm1SleepEnable);
  EXPECT_EQ(power_offs_, 0);
  Out(kPm1ControlOffset, 2, kSleepS5);
  EXPECT_EQ(power_offs_, 1);
  EXPECT_EQ(In(kPm1ControlOffset, 2) & kPm1SleepEnable, 0);
}

TEST_F(AcpiPmTest, SoftOffByTheHighByteAlone) {
  Out(kPm1ControlOffset + 1, 1, kSleepS5 >> 8);
  EXPECT_EQ(power_offs_, 1);
}

TEST_F(AcpiPmTest, OtherSleepTypesDoNothing) {
  for (uint16_t type = 0; type < 8; ++type) {
    if (type == kSleepTypeSoftOff || type == kSleepTypeStandby) continue;
    Out(kPm1ControlOffset, 2, kPm1SleepEnable | type << kPm1SleepTypeShift);
  }
  EXPECT_EQ(power_offs_, 0);
  EXPECT_EQ(suspends_, 0);
}

TEST_F(AcpiPmTest, StandbyUntilTheButton) {
  Out(kPm1ControlOffset, 2, kSleepS1);
  EXPECT_EQ(suspends_, 1);
  EXPECT_EQ(Status(), 0);

  pm_.PressPowerButton();
  pm_.PressPowerButton();

  EXPECT_EQ(wakes_, 1);
  EXPECT_EQ(Status(), kPm1WakeStatus | kPm1PowerButtonStatus);
}

TEST_F(AcpiPmTest, OnlyEnabledEventsWake) {
  Out(kPm1ControlOffset, 2, kSleepS1);
  pm_.NotifyRtcAlarm();
  pm_.RaiseGpe(3);
  EXPECT_EQ(wakes_, 0);

  Out(kGpe0Offset + kGpe0HalfLength, 1, 0x08);
  pm_.RaiseGpe(3);
  EXPECT_EQ(wakes_, 1);

  Out(kPm1ControlOffset, 2, kSleepS1);
  Out(kPm1EnableOffset, 2, kPm1RtcEnable);
  pm_.NotifyRtcAlarm();
  EXPECT_EQ(wakes_, 2);
}

TEST_F(AcpiPmTest, HostMayEndStandby) {
  pm_.Wake();
  EXPECT_EQ(Status(), 0);
  Out(kPm1ControlOffset, 2, kSleepS1);
  pm_.Wake();
  EXPECT_EQ(wakes_, 1);
  EXPECT_EQ(Status(), kPm1WakeStatus);
}

TEST_F(AcpiPmTest, MachineThatCannotSuspendWakesAtOnce) {
  AcpiPm pm(loop_.clock(), loop_, sci_, {});
  const uint8_t s1[] = {0, kSleepS1 >> 8};
  pm.Write(kPm1ControlOffset, s1);
  EXPECT_EQ(pm.Save().status, kPm1WakeStatus);
  const uint8_t s5[] = {0, kSleepS5 >> 8};
  pm.Write(kPm1ControlOffset, s5);  // nobody to tell
}

TEST_F(AcpiPmTest, TimerCountsAtItsFrequencyAndWraps) {
  loop_.Advance(absl::Seconds(1));
  EXPECT_EQ(In(kPmTimerOffset, 4), kPmTimerHz);
  loop_.Advance(absl::Seconds(9));
  EXPECT_EQ(In(kPmTimerOffset, 4), 10 * kPmTimerHz % (1 << 24));
  Out(kPmTimerOffset, 4, 0);
  EXPECT_EQ(In(kPmTimerOffset, 4), 10 * kPmTimerHz % (1 << 24));
}

TEST_F(AcpiPmTest, WideTimer) {
  AcpiPm pm(loop_.clock(), loop_, sci_, {}, AcpiPm::TimerWidth::k32Bits);
  loop_.Advance(absl::Hours(1));
  EXPECT_EQ(pm.Save().timer, 3600 * kPmTimerHz % (int64_t{1} << 32));
  loop_.Advance(absl::Hours(24 * 365 * 100));
  EXPECT_EQ(pm.Save().timer,
            (3600 * (1 + int64_t{24} * 365 * 100)) * kPmTimerHz % (int64_t{1} << 32));
}

TEST_F(AcpiPmTest, TimerStatusEachTimeTheTopBitChanges) {
  const absl::Duration half = absl::Seconds(1 << 23) / kPmTimerHz + absl::Microseconds(1);
  loop_.Advance(half / 2);
  EXPECT_EQ(Status(), 0);
  loop_.Advance(half);
  EXPECT_EQ(Status(), kPm1TimerStatus);
  Out(kPm1StatusOffset, 2, kPm1TimerStatus);
  EXPECT_EQ(Status(), 0);

  Out(kPm1EnableOffset, 2, kPm1TimerEnable);
  EXPECT_FALSE(sci_.level());
  loop_.Advance(half);
  EXPECT_TRUE(sci_.level());
  Out(kPm1StatusOffset, 2, kPm1TimerStatus);
  EXPECT_FALSE(sci_.level());
  loop_.Advance(half);
  EXPECT_TRUE(sci_.level());
}

TEST_F(AcpiPmTest, TheGuestSaysThatItIsIdle) {
  EXPECT_FALSE(pm_.idle());
  Out(kIdleOffset, 1, 0xff);
  EXPECT_TRUE(pm_.idle());
  EXPECT_EQ(In(kIdleOffset, 1), 1);
  EXPECT_TRUE(pm_.Save().idle);

  pm_.PressPowerButton();
  EXPECT_TRUE(pm_.idle());
  Out(kIdleOffset, 1, 0);

  EXPECT_FALSE(pm_.idle());
  EXPECT_EQ(suspends_ + wakes_, 0);
}

// Every register, width, misalignment and odd value: reserved bits stay 0, gaps stay all ones, and
// nothing beyond the block changes.
TEST_F(AcpiPmTest, SweepOfWidthsAndValues) {
  for (const uint64_t value : {uint64_t{0}, ~uint64_t{0}, uint64_t{0x5555555555555555}}) {
    for (uint64_t offset = 0; offset < kAcpiPmPortCount + 2; ++offset) {
      for (size_t width = 1; width <= 8; ++width) {
        SCOPED_TRACE(testing::Message() << value << " " << offset << " " << width);
        Out(offset, width, value);
        std::vector<uint8_t> data(width, 0xff);
        pm_.Read(offset, absl::MakeSpan(data));
        for (size_t i = 0; i < width; ++i) {
          const uint64_t at = offset + i;
          const bool gap =
              at >= kAcpiPmPortCount || at == 6 || at == 7 ||
              (at >= kPmTimerOffset + kPmTimerLength && at < kGpe0Offset && at != kIdleOffset);
          if (gap) EXPECT_EQ(data[i], 0xff);
        }
        EXPECT_EQ(In(kPm1StatusOffset, 2) & ~kPm1StatusMask, 0);
        EXPECT_EQ(In(kPm1EnableOffset, 2) & ~kPm1EnableMask, 0);
        EXPECT_EQ(In(kPm1ControlOffset, 2) & ~kPm1ControlKept, kPm1SciEnable);
      }
    }
  }
}

TEST_F(AcpiPmTest, SaveRestoreSaveIsEqual) {
  loop_.Advance(absl::Seconds(3));
  Out(kPm1EnableOffset, 2, kPm1EnableMask);
  Out(kPm1ControlOffset, 2, kSleepS1 | kPm1BusMasterReload);
  Out(kGpe0Offset + kGpe0HalfLength, 8, 0x0123456789abcdef);
  pm_.NotifyRtcAlarm();
  pm_.RaiseGpe(200);
  const AcpiPmState state = pm_.Save();

  ManualLoop later;
  later.Advance(absl::Hours(5));
  RecordingIrqLine sci;
  AcpiPm other(later.clock(), later, sci, {});
  ASSERT_TRUE(other.Restore(state).ok());

  EXPECT_EQ(other.Save(), state);
  EXPECT_TRUE(sci.level());
  later.Advance(absl::Seconds(1));
  EXPECT_EQ(other.Save().timer, (state.timer + kPmTimerHz) % (1 << 24));
}

TEST_F(AcpiPmTest, RestoreOfGarbageIsAnErrorAndChangesNothing) {
  const AcpiPmState good = pm_.Save();
  AcpiPmState status = good, enable = good, control = good, sci_off = good, timer = good;
  status.status = 1 << 1;
  enable.enable = 1 << 15;
  control.control = kPm1SciEnable | kPm1SleepEnable;
  sci_off.control = 0;
  timer.timer = 1 << 24;
  for (const AcpiPmState& state : {status, enable, control, sci_off, timer}) {
    EXPECT_EQ(pm_.Restore(state).code(), absl::StatusCode::kInvalidArgument);
    EXPECT_EQ(pm_.Save(), good);
  }
}

}  // namespace
}  // namespace touchstone
