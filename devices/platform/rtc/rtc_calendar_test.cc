#include "devices/platform/rtc/rtc_calendar.h"

#include "absl/strings/string_view.h"
#include "absl/time/civil_time.h"
#include "gtest/gtest.h"

namespace touchstone {
namespace {

absl::Time Utc(int64_t year, int month, int day, int hour = 0, int minute = 0, int second = 0) {
  return absl::FromCivil(absl::CivilSecond(year, month, day, hour, minute, second),
                         absl::UTCTimeZone());
}

RtcRegisters WithFormat(uint8_t register_b) {
  RtcRegisters registers{};
  registers[kRtcRegisterB] = register_b;
  return registers;
}

TEST(RtcCalendarTest, StoresBcd24Hours) {
  RtcRegisters registers = WithFormat(kRtc24Hours);
  RtcStoreTime(Utc(2026, 11, 21, 23, 59, 58), registers);  // a Saturday
  EXPECT_EQ(registers[kRtcSeconds], 0x58);
  EXPECT_EQ(registers[kRtcMinutes], 0x59);
  EXPECT_EQ(registers[kRtcHours], 0x23);
  EXPECT_EQ(registers[kRtcWeekday], 0x07);
  EXPECT_EQ(registers[kRtcDay], 0x21);
  EXPECT_EQ(registers[kRtcMonth], 0x11);
  EXPECT_EQ(registers[kRtcYear], 0x26);
  EXPECT_EQ(registers[kRtcCentury], 0x20);
}

TEST(RtcCalendarTest, SundayIsOne) {
  RtcRegisters registers = WithFormat(kRtc24Hours);
  RtcStoreTime(Utc(2026, 11, 22), registers);
  EXPECT_EQ(registers[kRtcWeekday], 1);
}

TEST(RtcCalendarTest, TwelveHourHours) {
  const struct {
    int hour;
    uint8_t bcd;
  } kCases[] = {{0, 0x12}, {1, 0x01}, {11, 0x11}, {12, 0x92}, {13, 0x81}, {23, 0x91}};
  for (const auto& test : kCases) {
    SCOPED_TRACE(test.hour);
    RtcRegisters registers = WithFormat(0);
    RtcStoreTime(Utc(2000, 1, 1, test.hour), registers);
    EXPECT_EQ(registers[kRtcHours], test.bcd);
  }
}

TEST(RtcCalendarTest, LoadsWhatItStoresInEveryFormat) {
  for (const uint8_t format : {0, +kRtcBinary, +kRtc24Hours, kRtcBinary | kRtc24Hours}) {
    for (int hour = 0; hour < 24; ++hour) {
      RtcRegisters registers = WithFormat(format);
      const absl::Time time = Utc(1999, 2, 28, hour, 7, 42);
      RtcStoreTime(time, registers);
      EXPECT_EQ(RtcLoadTime(registers), time);
    }
  }
}

TEST(RtcCalendarTest, BytesThatAreNoTimeLoadAsNone) {
  const struct {
    uint8_t index;
    uint8_t value;
  } kCases[] = {{kRtcSeconds, 0x60}, {kRtcSeconds, 0x0a}, {kRtcMinutes, 0x60}, {kRtcHours, 0x24},
                {kRtcDay, 0x00},     {kRtcDay, 0x31},     {kRtcMonth, 0x13},   {kRtcMonth, 0x00},
                {kRtcYear, 0xa0},    {kRtcCentury, 0xff}};
  for (const auto& test : kCases) {
    SCOPED_TRACE(testing::Message() << +test.index << " " << +test.value);
    RtcRegisters registers = WithFormat(kRtc24Hours);
    RtcStoreTime(Utc(2026, 2, 1), registers);
    registers[test.index] = test.value;
    EXPECT_EQ(RtcLoadTime(registers), std::nullopt);
  }
  RtcRegisters twelve = WithFormat(0);
  RtcStoreTime(Utc(2026, 2, 1), twelve);
  twelve[kRtcHours] = 0;
  EXPECT_EQ(RtcLoadTime(twelve), std::nullopt);
}

struct Alarm {
  uint8_t month, day, hour, minute, second;  // BCD
  absl::Time expected;
};

TEST(RtcCalendarTest, NextAlarmAfterAMoment) {
  const absl::Time now = Utc(2026, 11, 21, 10, 30, 15);
  const Alarm kCases[] = {
      {0, 0, 0x10, 0x30, 0x16, Utc(2026, 11, 21, 10, 30, 16)},
      {0, 0, 0x10, 0x30, 0x15, Utc(2026, 11, 22, 10, 30, 15)},  // now is too late
      {0, 0, 0x09, 0x00, 0x00, Utc(2026, 11, 22, 9, 0, 0)},
      {0, 0, 0xff, 0xff, 0xff, Utc(2026, 11, 21, 10, 30, 16)},  // each second
      {0, 0, 0xff, 0xff, 0x05, Utc(2026, 11, 21, 10, 31, 5)},   // each minute
      {0, 0, 0xff, 0x05, 0x00, Utc(2026, 11, 21, 11, 5, 0)},    // each hour
      {0, 0x05, 0x12, 0x00, 0x00, Utc(2026, 12, 5, 12, 0, 0)},
      {0x03, 0x05, 0x12, 0x00, 0x00, Utc(2027, 3, 5, 12, 0, 0)},  // past means next year
      {0x02, 0x29, 0x00, 0x00, 0x00, Utc(2028, 2, 29)},
      {0xff, 0xff, 0x00, 0x00, 0x00, Utc(2026, 11, 22)},
      {0x02, 0x30, 0x00, 0x00, 0x00, absl::InfiniteFuture()},  // no such day
      {0, 0, 0x25, 0x00, 0x00, absl::InfiniteFuture()},
      {0, 0, 0x0f, 0x00, 0x00, absl::InfiniteFuture()},
  };
  for (const Alarm& alarm : kCases) {
    SCOPED_TRACE(absl::FormatTime(alarm.expected, absl::UTCTimeZone()));
    RtcRegisters registers = WithFormat(kRtc24Hours);
    registers[kRtcMonthAlarm] = alarm.month;
    registers[kRtcDayAlarm] = alarm.day;
    registers[kRtcHoursAlarm] = alarm.hour;
    registers[kRtcMinutesAlarm] = alarm.minute;
    registers[kRtcSecondsAlarm] = alarm.second;
    EXPECT_EQ(NextRtcAlarm(registers, now), alarm.expected);
  }
}

TEST(RtcCalendarTest, LeapDayBeyondACenturyThatHasNone) {
  RtcRegisters registers = WithFormat(kRtc24Hours | kRtcBinary);
  registers[kRtcMonthAlarm] = 2;
  registers[kRtcDayAlarm] = 29;
  EXPECT_EQ(NextRtcAlarm(registers, Utc(2096, 3, 1)), Utc(2104, 2, 29));
}

}  // namespace
}  // namespace touchstone
