// The ACPI tables for a firmware that takes them from fw_cfg and puts them where it likes: two
// files, and a script that says what is to be adjusted then (QEMU, hw/acpi/bios-linker-loader; the
// interface is that of SeaBIOS's romfile_loader and OVMF's AcpiPlatformDxe).
//
//   etc/acpi/rsdp     the root pointer, for the area below 1 MiB that guests search
//   etc/acpi/tables   all other tables; their pointers are offsets in this file
//   etc/table-loader  entries of 128 bytes: allocate both files, then for each pointer add the
//                     address of the file it points into, then for each changed table its checksum
//
// Pure functions: thread-safe.

#ifndef TOUCHSTONE_VMM_MACHINE_ACPI_TABLE_LOADER_H_
#define TOUCHSTONE_VMM_MACHINE_ACPI_TABLE_LOADER_H_

#include <cstddef>
#include <cstdint>
#include <vector>

#include "absl/status/statusor.h"
#include "vmm/machine/acpi/acpi_config.h"

namespace touchstone {

inline constexpr char kAcpiRsdpFile[] = "etc/acpi/rsdp";
inline constexpr char kAcpiTablesFile[] = "etc/acpi/tables";
inline constexpr char kTableLoaderFile[] = "etc/table-loader";

inline constexpr size_t kTableLoaderEntrySize = 128;

struct LoadableTables {
  std::vector<uint8_t> rsdp;
  std::vector<uint8_t> tables;
  std::vector<uint8_t> script;
};

// Errors as EncodeAcpiTables (tables.h); there is room for `most_bytes`.
absl::StatusOr<LoadableTables> BuildLoadableTables(const AcpiConfig& config, uint64_t most_bytes);

}  // namespace touchstone

#endif  // TOUCHSTONE_VMM_MACHINE_ACPI_TABLE_LOADER_H_
