// The registers of a configuration space header and their bits.
//
// PCI Local Bus 3.0, 6.1 and figure 6-1; PCI-to-PCI Bridge 1.2, 3.2; PCI Express 5.0, 7.5.1.
//
//        type 0 (endpoint)                          type 1 (bridge)
//   0x00 device id       | vendor id                same
//   0x04 status          | command                  same
//   0x08 class code              | revision         same
//   0x0C BIST | header type | latency | line size   same
//   0x10 BAR 0 ... 5 up to 0x27                     BAR 0, 1; buses; I/O, memory, prefetch windows
//   0x2C subsystem id    | subsystem vendor         (prefetch limit, upper halves)
//   0x34 ...             | capabilities pointer     same
//   0x3C max_lat | min_gnt | int. pin | int. line   bridge control | int. pin | int. line
//   0x40 capabilities                               same
//  0x100 extended capabilities                      same

#ifndef TOUCHSTONE_DEVICES_PCI_PCI_REGISTERS_H_
#define TOUCHSTONE_DEVICES_PCI_PCI_REGISTERS_H_

#include <cstdint>

namespace touchstone {

// Offsets common to both headers.
inline constexpr uint32_t kPciVendorId = 0x00;
inline constexpr uint32_t kPciDeviceId = 0x02;
inline constexpr uint32_t kPciCommand = 0x04;
inline constexpr uint32_t kPciStatus = 0x06;
inline constexpr uint32_t kPciRevision = 0x08;
inline constexpr uint32_t kPciClassCode = 0x09;
inline constexpr uint32_t kPciCacheLineSize = 0x0C;
inline constexpr uint32_t kPciLatencyTimer = 0x0D;
inline constexpr uint32_t kPciHeaderType = 0x0E;
inline constexpr uint32_t kPciBar0 = 0x10;
inline constexpr uint32_t kPciCapabilities = 0x34;
inline constexpr uint32_t kPciInterruptLine = 0x3C;
inline constexpr uint32_t kPciInterruptPin = 0x3D;
inline constexpr uint32_t kPciFirstCapability = 0x40;
inline constexpr uint32_t kPciFirstExtendedCapability = 0x100;

// Type 0 only.
inline constexpr uint32_t kPciSubsystemVendor = 0x2C;
inline constexpr uint32_t kPciSubsystemId = 0x2E;

// Type 1 only (PCI-to-PCI Bridge 1.2, 3.2.5).
inline constexpr uint32_t kPciPrimaryBus = 0x18;
inline constexpr uint32_t kPciSecondaryBus = 0x19;
inline constexpr uint32_t kPciSubordinateBus = 0x1A;
inline constexpr uint32_t kPciIoBase = 0x1C;
inline constexpr uint32_t kPciSecondaryStatus = 0x1E;
inline constexpr uint32_t kPciMemoryBase = 0x20;
inline constexpr uint32_t kPciMemoryLimit = 0x22;
inline constexpr uint32_t kPciPrefetchBase = 0x24;
inline constexpr uint32_t kPciPrefetchLimit = 0x26;
inline constexpr uint32_t kPciPrefetchBaseUpper = 0x28;
inline constexpr uint32_t kPciPrefetchLimitUpper = 0x2C;
inline constexpr uint32_t kPciBridgeControl = 0x3E;

// Command (PCI Local Bus 3.0, 6.2.2).
inline constexpr uint16_t kPciCommandIo = 1 << 0;            // Decode I/O BARs.
inline constexpr uint16_t kPciCommandMemory = 1 << 1;        // Decode memory BARs.
inline constexpr uint16_t kPciCommandBusMaster = 1 << 2;     // May start transactions.
inline constexpr uint16_t kPciCommandParity = 1 << 6;        // Respond to parity errors.
inline constexpr uint16_t kPciCommandSerr = 1 << 8;          // Drive SERR#.
inline constexpr uint16_t kPciCommandIntxDisable = 1 << 10;  // Keep INTx# silent.

// Status (PCI Local Bus 3.0, 6.2.3).
inline constexpr uint16_t kPciStatusInterrupt = 1 << 3;     // INTx# is wanted; read-only.
inline constexpr uint16_t kPciStatusCapabilities = 1 << 4;  // There is a list at 0x34; read-only.
inline constexpr uint16_t kPciStatusErrors = 0xF900;  // Bits 8 and 11 to 15: write 1 to clear.

// Header type (PCI Local Bus 3.0, 6.2.1).
inline constexpr uint8_t kPciHeaderMultiFunction = 1 << 7;

// BAR bits (PCI Local Bus 3.0, 6.2.5.1).
inline constexpr uint32_t kPciBarIo = 1 << 0;
inline constexpr uint32_t kPciBarMemory64 = 2 << 1;
inline constexpr uint32_t kPciBarPrefetchable = 1 << 3;
inline constexpr uint32_t kPciBarIoMask = 0x3;      // Bits of an I/O BAR that are no address.
inline constexpr uint32_t kPciBarMemoryMask = 0xF;  // Bits of a memory BAR that are no address.
inline constexpr int kPciMaxBars = 6;

// Capability ids (PCI Local Bus 3.0, appendix H; PCI Express 5.0, 7.5 and 7.7).
inline constexpr uint8_t kPciCapabilityPowerManagement = 0x01;
inline constexpr uint8_t kPciCapabilityMsi = 0x05;
inline constexpr uint8_t kPciCapabilityVendor = 0x09;
inline constexpr uint8_t kPciCapabilityExpress = 0x10;
inline constexpr uint8_t kPciCapabilityMsix = 0x11;

}  // namespace touchstone

#endif  // TOUCHSTONE_DEVICES_PCI_PCI_REGISTERS_H_
