#include "devices/platform/rtc/rtc_calendar.h"

#include "absl/time/civil_time.h"

namespace touchstone {
namespace {

bool Is(const RtcRegisters& registers, uint8_t flag) {
  return (registers[kRtcRegisterB] & flag) != 0;
}

uint8_t Encode(const RtcRegisters& registers, int value) {
  if (Is(registers, kRtcBinary)) return static_cast<uint8_t>(value);
  return static_cast<uint8_t>(value / 10 << 4 | value % 10);
}

// -1 for what is no BCD.
int Decode(const RtcRegisters& registers, uint8_t byte) {
  if (Is(registers, kRtcBinary)) return byte;
  if ((byte & 0x0f) > 9 || byte >> 4 > 9) return -1;
  return (byte >> 4) * 10 + (byte & 0x0f);
}

uint8_t EncodeHour(const RtcRegisters& registers, int hour) {
  if (Is(registers, kRtc24Hours)) return Encode(registers, hour);
  const uint8_t half = Encode(registers, hour % 12 == 0 ? 12 : hour % 12);
  return hour >= 12 ? half | kRtcHourPm : half;
}

int DecodeHour(const RtcRegisters& registers, uint8_t byte) {
  if (Is(registers, kRtc24Hours)) return Decode(registers, byte);
  const int half = Decode(registers, byte & ~kRtcHourPm);
  if (half < 1 || half > 12) return -1;
  return half % 12 + ((byte & kRtcHourPm) != 0 ? 12 : 0);
}

// One byte of the alarm.
struct AlarmField {
  bool any = false;
  int value = 0;

  [[nodiscard]] bool Matches(int64_t actual) const { return any || actual == value; }
};

AlarmField LoadAlarm(const RtcRegisters& registers, uint8_t index) {
  const uint8_t byte = registers[index];
  if (byte >= kRtcAlarmDontCare) return {.any = true};
  if (index == kRtcHoursAlarm) return {.value = DecodeHour(registers, byte)};
  const bool date = index == kRtcDayAlarm || index == kRtcMonthAlarm;
  return {.any = date && byte == 0, .value = Decode(registers, byte)};
}

}  // namespace

bool IsRtcTime(uint8_t index) {
  switch (index) {
    case kRtcSeconds:
    case kRtcMinutes:
    case kRtcHours:
    case kRtcWeekday:
    case kRtcDay:
    case kRtcMonth:
    case kRtcYear:
    case kRtcCentury:
      return true;
    default:
      return false;
  }
}

bool IsRtcAlarm(uint8_t index) {
  switch (index) {
    case kRtcSecondsAlarm:
    case kRtcMinutesAlarm:
    case kRtcHoursAlarm:
    case kRtcDayAlarm:
    case kRtcMonthAlarm:
      return true;
    default:
      return false;
  }
}

void RtcStoreTime(absl::Time time, RtcRegisters& registers) {
  const absl::CivilSecond civil = absl::ToCivilSecond(time, absl::UTCTimeZone());
  const int year = static_cast<int>((civil.year() % 10000 + 10000) % 10000);
  // Abseil counts from Monday as 0, the clock from Sunday as 1.
  const int weekday = (static_cast<int>(absl::GetWeekday(civil)) + 1) % 7 + 1;
  registers[kRtcSeconds] = Encode(registers, civil.second());
  registers[kRtcMinutes] = Encode(registers, civil.minute());
  registers[kRtcHours] = EncodeHour(registers, civil.hour());
  registers[kRtcWeekday] = Encode(registers, weekday);
  registers[kRtcDay] = Encode(registers, civil.day());
  registers[kRtcMonth] = Encode(registers, civil.month());
  registers[kRtcYear] = Encode(registers, year % 100);
  registers[kRtcCentury] = Encode(registers, year / 100);
}

std::optional<absl::Time> RtcLoadTime(const RtcRegisters& registers) {
  const int second = Decode(registers, registers[kRtcSeconds]);
  const int minute = Decode(registers, registers[kRtcMinutes]);
  const int hour = DecodeHour(registers, registers[kRtcHours]);
  const int day = Decode(registers, registers[kRtcDay]);
  const int month = Decode(registers, registers[kRtcMonth]);
  const int year = Decode(registers, registers[kRtcYear]);
  const int century = Decode(registers, registers[kRtcCentury]);
  if (year < 0 || year > 99 || century < 0 || century > 99) return std::nullopt;
  const absl::CivilSecond civil(century * 100 + year, month, day, hour, minute, second);
  // CivilSecond carries what is too large over to the next field: a change is a date that is none.
  if (civil.second() != second || civil.minute() != minute || civil.hour() != hour ||
      civil.day() != day || civil.month() != month) {
    return std::nullopt;
  }
  return absl::FromCivil(civil, absl::UTCTimeZone());
}

absl::Time NextRtcAlarm(const RtcRegisters& registers, absl::Time time) {
  const AlarmField second = LoadAlarm(registers, kRtcSecondsAlarm);
  const AlarmField minute = LoadAlarm(registers, kRtcMinutesAlarm);
  const AlarmField hour = LoadAlarm(registers, kRtcHoursAlarm);
  const AlarmField day = LoadAlarm(registers, kRtcDayAlarm);
  const AlarmField month = LoadAlarm(registers, kRtcMonthAlarm);
  absl::CivilSecond next = absl::ToCivilSecond(time, absl::UTCTimeZone()) + 1;
  // From the coarsest field on, to the start of the next candidate. The 29th of February is at
  // most 8 years away, each a dozen months and a month of days.
  constexpr int kMaxSteps = 600;
  for (int i = 0; i < kMaxSteps; ++i) {
    if (!month.Matches(next.month())) {
      next = absl::CivilMonth(next) + 1;
    } else if (!day.Matches(next.day())) {
      next = absl::CivilDay(next) + 1;
    } else if (!hour.Matches(next.hour())) {
      next = absl::CivilHour(next) + 1;
    } else if (!minute.Matches(next.minute())) {
      next = absl::CivilMinute(next) + 1;
    } else if (!second.Matches(next.second())) {
      next = next + 1;
    } else {
      return absl::FromCivil(next, absl::UTCTimeZone());
    }
  }
  return absl::InfiniteFuture();
}

}  // namespace touchstone
