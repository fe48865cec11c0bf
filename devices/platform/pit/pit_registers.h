// The registers of the 8254 interval timer (Intel 82C54 data sheet, order number 231244-006) and of
// the PC's port that its third counter is wired to. Shared by the device and the tests.

#ifndef TOUCHSTONE_DEVICES_PLATFORM_PIT_PIT_REGISTERS_H_
#define TOUCHSTONE_DEVICES_PLATFORM_PIT_PIT_REGISTERS_H_

#include <cstddef>
#include <cstdint>

namespace touchstone {

inline constexpr int64_t kPitHz = 1193182;  // a third of the NTSC colour carrier
inline constexpr size_t kPitCounters = 3;   // interrupt 0, memory refresh, speaker
inline constexpr int kPitIrq = 0;

// Ports.
inline constexpr uint16_t kPitPort = 0x40;
inline constexpr uint64_t kPitPortCount = 4;
inline constexpr uint64_t kPitControlOffset = 3;  // write-only; the counters are at 0 to 2
inline constexpr uint16_t kPitSpeakerPort = 0x61;
inline constexpr uint64_t kPitSpeakerPortCount = 1;

// Control word.
inline constexpr int kPitSelectShift = 6;  // SC: the counter, or
inline constexpr uint8_t kPitReadBack = 3;
inline constexpr int kPitAccessShift = 4;  // RW: how its count is read and written, or
inline constexpr uint8_t kPitAccessMask = 3;
inline constexpr uint8_t kPitLatch = 0;  // the count is to be held for reading
inline constexpr uint8_t kPitLowByte = 1;
inline constexpr uint8_t kPitHighByte = 2;
inline constexpr uint8_t kPitBothBytes = 3;  // the low one first
inline constexpr int kPitModeShift = 1;      // M: 6 and 7 are 2 and 3
inline constexpr uint8_t kPitModeMask = 7;
inline constexpr uint8_t kPitBcd = 0x01;

// Read-back command.
inline constexpr uint8_t kPitReadBackNoCount = 0x20;
inline constexpr uint8_t kPitReadBackNoStatus = 0x10;
inline constexpr int kPitReadBackCounterShift = 1;  // counter 0

// Status byte; below these as in the control word.
inline constexpr uint8_t kPitStatusOut = 0x80;
inline constexpr uint8_t kPitStatusNull = 0x40;  // the count that was written does not count yet

// Modes.
inline constexpr uint8_t kPitTerminalCount = 0;
inline constexpr uint8_t kPitOneShot = 1;
inline constexpr uint8_t kPitRate = 2;
inline constexpr uint8_t kPitSquare = 3;
inline constexpr uint8_t kPitSoftwareStrobe = 4;
inline constexpr uint8_t kPitHardwareStrobe = 5;

// Port 0x61 (Intel 82371AB data sheet, 4.2.6, NMI status and control).
inline constexpr uint8_t kPitSpeakerGate = 0x01;     // of counter 2
inline constexpr uint8_t kPitSpeakerData = 0x02;     // kept; there is no speaker
inline constexpr uint8_t kPitSpeakerRefresh = 0x10;  // read-only, toggles
inline constexpr uint8_t kPitSpeakerOut = 0x20;      // read-only: counter 2's output
inline constexpr int64_t kPitRefreshTicks = 18;      // 15 us, as a BIOS sets counter 1 up

}  // namespace touchstone

#endif  // TOUCHSTONE_DEVICES_PLATFORM_PIT_PIT_REGISTERS_H_
