// The registers of the 82093AA I/O APIC (Intel 82093AA data sheet, order number 290566-001, 3) and
// the messages it sends to local APICs. Shared by the device and the tests.

#ifndef TOUCHSTONE_DEVICES_PLATFORM_IOAPIC_IOAPIC_REGISTERS_H_
#define TOUCHSTONE_DEVICES_PLATFORM_IOAPIC_IOAPIC_REGISTERS_H_

#include <cstdint>

namespace touchstone {

inline constexpr int kIoapicInputs = 24;
inline constexpr uint64_t kIoapicSize = 0x100;  // bytes of guest memory

// 3.1: the registers that are memory.
inline constexpr uint64_t kIoapicSelect = 0x00;  // IOREGSEL: bits 7 to 0 choose a register
inline constexpr uint64_t kIoapicWindow = 0x10;  // IOWIN: the chosen one

// 3.2: the registers to choose.
inline constexpr uint8_t kIoapicId = 0x00;           // bits 27 to 24
inline constexpr uint8_t kIoapicVersion = 0x01;      // read-only
inline constexpr uint8_t kIoapicArbitration = 0x02;  // read-only: as the id
inline constexpr uint8_t kIoapicRedirection = 0x10;  // two per input, the low half first

inline constexpr uint8_t kIoapicIdMask = 0x0f;
inline constexpr int kIoapicIdShift = 24;
inline constexpr uint32_t kIoapicVersionValue = 0x11 | (kIoapicInputs - 1) << 16;

// 3.2.4: an entry of the redirection table.
inline constexpr uint64_t kIoapicVector = 0xff;
inline constexpr int kIoapicDeliveryShift = 8;  // delivery mode, 3 bits
inline constexpr uint64_t kIoapicDeliveryMask = 0x7;
inline constexpr uint64_t kIoapicFixed = 0;
inline constexpr uint64_t kIoapicLowestPriority = 1;
inline constexpr uint64_t kIoapicSmi = 2;
inline constexpr uint64_t kIoapicNmi = 4;
inline constexpr uint64_t kIoapicInit = 5;
inline constexpr uint64_t kIoapicExtInt = 7;
inline constexpr uint64_t kIoapicLogical = 1 << 11;    // destination mode
inline constexpr uint64_t kIoapicPending = 1 << 12;    // delivery status, read-only
inline constexpr uint64_t kIoapicActiveLow = 1 << 13;  // kept: lines here are asserted or not
inline constexpr uint64_t kIoapicRemoteIrr = 1 << 14;  // read-only: a local APIC serves the level
inline constexpr uint64_t kIoapicLevel = 1 << 15;      // trigger mode
inline constexpr uint64_t kIoapicMasked = 1 << 16;
inline constexpr int kIoapicDestinationShift = 56;
inline constexpr uint64_t kIoapicReadOnly = kIoapicPending | kIoapicRemoteIrr;
inline constexpr uint64_t kIoapicWritable = uint64_t{0xff} << kIoapicDestinationShift | 0x1afff;

// Messages: PCI Local Bus 3.0, 6.8, in the form of Intel SDM volume 3, 10.11.
inline constexpr uint64_t kMessageAddress = 0xfee00000;
inline constexpr int kMessageDestinationShift = 12;
inline constexpr uint64_t kMessageLogical = 1 << 2;
inline constexpr uint32_t kMessageAssert = 1 << 14;
inline constexpr uint32_t kMessageLevel = 1 << 15;

}  // namespace touchstone

#endif  // TOUCHSTONE_DEVICES_PLATFORM_IOAPIC_IOAPIC_REGISTERS_H_
