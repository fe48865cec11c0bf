// The registers of the MC146818 real-time clock and what a PC keeps in its memory (Motorola
// MC146818A data sheet; crosvm.md 5.22). Shared by the device, the FADT and the tests.

#ifndef TOUCHSTONE_DEVICES_PLATFORM_RTC_RTC_REGISTERS_H_
#define TOUCHSTONE_DEVICES_PLATFORM_RTC_RTC_REGISTERS_H_

#include <cstddef>
#include <cstdint>

namespace touchstone {

inline constexpr uint16_t kRtcPort = 0x70;
inline constexpr uint64_t kRtcPortCount = 2;
inline constexpr int kRtcIrq = 8;

// Ports.
inline constexpr uint64_t kRtcIndexOffset = 0;  // which register; bit 7, the NMI mask, is ignored
inline constexpr uint64_t kRtcDataOffset = 1;   // its value
inline constexpr uint8_t kRtcIndexMask = 0x7f;

inline constexpr size_t kRtcSize = 128;  // registers and memory

// The clock and the alarm, in BCD or binary.
inline constexpr uint8_t kRtcSeconds = 0x00;
inline constexpr uint8_t kRtcSecondsAlarm = 0x01;
inline constexpr uint8_t kRtcMinutes = 0x02;
inline constexpr uint8_t kRtcMinutesAlarm = 0x03;
inline constexpr uint8_t kRtcHours = 0x04;
inline constexpr uint8_t kRtcHoursAlarm = 0x05;
inline constexpr uint8_t kRtcWeekday = 0x06;  // 1 is Sunday
inline constexpr uint8_t kRtcDay = 0x07;
inline constexpr uint8_t kRtcMonth = 0x08;
inline constexpr uint8_t kRtcYear = 0x09;  // in the century
// The FADT tells of these three (CENTURY, DAY_ALRM, MON_ALRM). crosvm has the month at 0x34, on top
// of a memory size.
inline constexpr uint8_t kRtcCentury = 0x32;
inline constexpr uint8_t kRtcDayAlarm = 0x33;
inline constexpr uint8_t kRtcMonthAlarm = 0x36;

inline constexpr uint8_t kRtcHourPm = 0x80;         // in 12-hour mode
inline constexpr uint8_t kRtcAlarmDontCare = 0xc0;  // an alarm byte from here on matches anything

// Register A
inline constexpr uint8_t kRtcRegisterA = 0x0a;
inline constexpr uint8_t kRtcUpdateInProgress = 0x80;  // UIP: the clock changes within 244 us
inline constexpr uint8_t kRtcDividerReset = 0x60;      // DV: both of these hold the clock at 0
inline constexpr uint8_t kRtcRateMask = 0x0f;          // RS: period of the periodic interrupt
inline constexpr uint8_t kRtcInitialA = 0x26;          // 32768 Hz crystal, 1024 Hz

// Register B
inline constexpr uint8_t kRtcRegisterB = 0x0b;
inline constexpr uint8_t kRtcSet = 0x80;              // the clock stands still and may be set
inline constexpr uint8_t kRtcPeriodicEnable = 0x40;   // PIE
inline constexpr uint8_t kRtcAlarmEnable = 0x20;      // AIE
inline constexpr uint8_t kRtcUpdateEnable = 0x10;     // UIE
inline constexpr uint8_t kRtcSquareWave = 0x08;       // kept; nothing is wired to that pin
inline constexpr uint8_t kRtcBinary = 0x04;           // DM: binary instead of BCD
inline constexpr uint8_t kRtc24Hours = 0x02;          // 24-hour instead of 12-hour
inline constexpr uint8_t kRtcBMask = 0xfe;            // there is no daylight saving
inline constexpr uint8_t kRtcInitialB = kRtc24Hours;  // and BCD

// Register C: cleared by reading it. Each flag has its enable at the same bit of register B.
inline constexpr uint8_t kRtcRegisterC = 0x0c;
inline constexpr uint8_t kRtcInterrupt = 0x80;  // IRQF: an enabled flag is set
inline constexpr uint8_t kRtcPeriodic = 0x40;   // PF
inline constexpr uint8_t kRtcAlarm = 0x20;      // AF
inline constexpr uint8_t kRtcUpdate = 0x10;     // UF
inline constexpr uint8_t kRtcFlags = kRtcPeriodic | kRtcAlarm | kRtcUpdate;

// Register D, read-only.
inline constexpr uint8_t kRtcRegisterD = 0x0d;
inline constexpr uint8_t kRtcValid = 0x80;  // VRT: the battery is good

// Memory sizes as firmware keeps them there, little-endian.
inline constexpr uint8_t kCmosBaseMemory = 0x15;       // 2 bytes, KiB, at most 640
inline constexpr uint8_t kCmosExtendedMemory = 0x17;   // 2 bytes, KiB above 1 MiB
inline constexpr uint8_t kCmosExtendedMemory2 = 0x30;  // the same again
inline constexpr uint8_t kCmosMemoryAbove16M = 0x34;   // 2 bytes, 64 KiB units, below 4 GiB
inline constexpr uint8_t kCmosMemoryAbove4G = 0x5b;    // 3 bytes, 64 KiB units

}  // namespace touchstone

#endif  // TOUCHSTONE_DEVICES_PLATFORM_RTC_RTC_REGISTERS_H_
