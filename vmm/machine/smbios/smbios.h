// SMBIOS tables: what a guest's dmidecode and /sys/class/dmi/id say of its machine (System
// Management BIOS Reference Specification 3.2, DSP0134).
//
//   area                                            area + 64 KiB
//   | entry point "_SM3_" | type 0, 1, 11, 127 | free |
//
// A guest without firmware finds the entry point by searching 0xF0000 to 0xFFFFF on 16-byte
// boundaries (5.2.2), so `area` is 0xF0000. Pure functions: thread-safe.

#ifndef TOUCHSTONE_VMM_MACHINE_SMBIOS_SMBIOS_H_
#define TOUCHSTONE_VMM_MACHINE_SMBIOS_SMBIOS_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/memory/guest_address.h"
#include "base/memory/guest_memory.h"

namespace touchstone {

inline constexpr uint64_t kSmbiosAreaSize = 0x10000;
// The count of type 11 is a byte.
inline constexpr size_t kMostOemStrings = 255;

// Strings are without NUL. An empty one reads as "Not Specified".
struct SmbiosContent {
  // Type 0, BIOS information.
  std::string bios_vendor = "Touchstone";
  std::string bios_version = "0";
  // Type 1, system information.
  std::string manufacturer = "Touchstone";
  std::string product_name = "Touchstone";
  std::string serial_number;
  // In the order in which it is written as text; all zeros says that there is none (7.2.1).
  std::array<uint8_t, 16> uuid = {};
  // Type 11, OEM strings, which is left out when there are none. None is empty, for an empty string
  // ends a structure (6.1.3). REQUIRES: at most kMostOemStrings.
  std::vector<std::string> oem_strings;
};

// The bytes as they are to be at `area`. ResourceExhausted when they need more than
// kSmbiosAreaSize. REQUIRES: `area` is a multiple of 16.
absl::StatusOr<std::vector<uint8_t>> EncodeSmbiosTables(const SmbiosContent& config,
                                                        GuestAddress area);

// For a firmware that places the structures itself (QEMU, hw/smbios): the entry point without their
// address, and they. SeaBIOS before 1.17 knows the entry point of SMBIOS 2.1 only (5.2.1), and with
// that one SeaBIOS and OVMF want a version 2 and the exact length.
struct SmbiosFiles {
  std::vector<uint8_t> anchor;
  std::vector<uint8_t> structures;
};

// ResourceExhausted as above.
absl::StatusOr<SmbiosFiles> EncodeSmbiosFiles(const SmbiosContent& config);

// Writes them. Errors as above, and those of GuestMemory::Write.
absl::Status WriteSmbiosTables(const SmbiosContent& config, const GuestMemory& memory,
                               GuestAddress area);

}  // namespace touchstone

#endif  // TOUCHSTONE_VMM_MACHINE_SMBIOS_SMBIOS_H_
