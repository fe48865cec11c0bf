// The ACPI power-management register block (ACPI 6.4, 4.8.3 and 4.8.4), shared by the device, the
// FADT, and the tests.
//
//   offset  length
//   0x00      2     PM1a status     PM1a_EVT_BLK
//   0x02      2     PM1a enable
//   0x04      2     PM1a control    PM1a_CNT_BLK
//   0x08      4     PM timer        PM_TMR_BLK
//   0x10      1     idle            ours: 1 while the guest is in suspend-to-idle
//   0x20     32     GPE0 status     GPE0_BLK
//   0x40     32     GPE0 enable
//
// The gaps read all ones and ignore writes.

#ifndef TOUCHSTONE_DEVICES_PLATFORM_ACPI_PM_ACPI_PM_REGISTERS_H_
#define TOUCHSTONE_DEVICES_PLATFORM_ACPI_PM_ACPI_PM_REGISTERS_H_

#include <cstddef>
#include <cstdint>

namespace touchstone {

inline constexpr uint16_t kAcpiPmPort = 0x600;  // where a machine has the block
inline constexpr uint64_t kAcpiPmPortCount = 0x60;

inline constexpr uint64_t kPm1StatusOffset = 0x00;
inline constexpr uint64_t kPm1EnableOffset = 0x02;
inline constexpr uint8_t kPm1EventLength = 4;
inline constexpr uint64_t kPm1ControlOffset = 0x04;
inline constexpr uint8_t kPm1ControlLength = 2;
inline constexpr uint64_t kPmTimerOffset = 0x08;
inline constexpr uint8_t kPmTimerLength = 4;
// Written by the low-power S0 idle device of the DSDT (vmm/machine/acpi/dsdt.cc). Bit 0 is kept.
inline constexpr uint64_t kIdleOffset = 0x10;
inline constexpr uint64_t kGpe0Offset = 0x20;
inline constexpr uint8_t kGpe0Length = 64;  // both halves
inline constexpr size_t kGpe0HalfLength = kGpe0Length / 2;
inline constexpr int kGpeCount = 8 * static_cast<int>(kGpe0HalfLength);

// PM1 status, 4.8.3.1.1: each bit is cleared by writing it as 1.
inline constexpr uint16_t kPm1TimerStatus = 1 << 0;        // the timer's top bit has changed
inline constexpr uint16_t kPm1PowerButtonStatus = 1 << 8;  // the power button was pressed
inline constexpr uint16_t kPm1SleepButtonStatus = 1 << 9;  // the sleep button was pressed
inline constexpr uint16_t kPm1RtcStatus = 1 << 10;         // the RTC alarm went off
inline constexpr uint16_t kPm1WakeStatus = 1 << 15;        // the machine woke from a sleep state
inline constexpr uint16_t kPm1StatusMask = kPm1TimerStatus | kPm1PowerButtonStatus |
                                           kPm1SleepButtonStatus | kPm1RtcStatus | kPm1WakeStatus;

// PM1 enable, 4.8.3.1.2: the status bits that interrupt. Nothing sets the global-lock status,
// but Linux insists on enabling it.
inline constexpr uint16_t kPm1TimerEnable = kPm1TimerStatus;
inline constexpr uint16_t kPm1GlobalEnable = 1 << 5;
inline constexpr uint16_t kPm1PowerButtonEnable = kPm1PowerButtonStatus;
inline constexpr uint16_t kPm1SleepButtonEnable = kPm1SleepButtonStatus;
inline constexpr uint16_t kPm1RtcEnable = kPm1RtcStatus;
inline constexpr uint16_t kPm1EnableMask = kPm1TimerEnable | kPm1GlobalEnable |
                                           kPm1PowerButtonEnable | kPm1SleepButtonEnable |
                                           kPm1RtcEnable;

// PM1 control, 4.8.3.2.1.
inline constexpr uint16_t kPm1SciEnable = 1 << 0;  // always 1: the machine starts in ACPI mode
inline constexpr uint16_t kPm1BusMasterReload = 1 << 1;  // kept; there is no C3 to leave
inline constexpr uint16_t kPm1SleepTypeMask = 7 << 10;   // SLP_TYP, kept
inline constexpr int kPm1SleepTypeShift = 10;
inline constexpr uint16_t kPm1SleepEnable = 1 << 13;  // SLP_EN: enter SLP_TYP; reads 0
inline constexpr uint16_t kPm1ControlKept = kPm1BusMasterReload | kPm1SleepTypeMask;

// SLP_TYP values, which \_S1 and \_S5 of the DSDT name.
inline constexpr uint8_t kSleepTypeStandby = 1;  // S1
inline constexpr uint8_t kSleepTypeSoftOff = 5;  // S5

inline constexpr int64_t kPmTimerHz = 3579545;  // 4.8.3.3

}  // namespace touchstone

#endif  // TOUCHSTONE_DEVICES_PLATFORM_ACPI_PM_ACPI_PM_REGISTERS_H_
