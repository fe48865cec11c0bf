// The clock's bytes and the time they mean: BCD and binary, 12 and 24 hours, and the alarm.

#ifndef TOUCHSTONE_DEVICES_PLATFORM_RTC_RTC_CALENDAR_H_
#define TOUCHSTONE_DEVICES_PLATFORM_RTC_RTC_CALENDAR_H_

#include <array>
#include <cstdint>
#include <optional>

#include "absl/time/time.h"
#include "devices/platform/rtc/rtc_registers.h"

namespace touchstone {

using RtcRegisters = std::array<uint8_t, kRtcSize>;

// Whether `index` is one of the bytes that RtcStoreTime writes.
bool IsRtcTime(uint8_t index);
// Whether `index` is one of the bytes that NextRtcAlarm reads.
bool IsRtcAlarm(uint8_t index);

// Puts `time` (UTC, whole seconds, year modulo 10000) into the clock bytes of `registers`, in the
// format of its register B.
void RtcStoreTime(absl::Time time, RtcRegisters& registers);

// The time in the clock bytes, or nullopt when they hold none. The day of the week is not looked
// at.
std::optional<absl::Time> RtcLoadTime(const RtcRegisters& registers);

// The first whole second after `time` that the alarm bytes match; infinite future when there is
// none (they match no time ever, or none for many years). An alarm byte of kRtcAlarmDontCare or
// more, and a day or month of 0, matches anything.
absl::Time NextRtcAlarm(const RtcRegisters& registers, absl::Time time);

}  // namespace touchstone

#endif  // TOUCHSTONE_DEVICES_PLATFORM_RTC_RTC_CALENDAR_H_
