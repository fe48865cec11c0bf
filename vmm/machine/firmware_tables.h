// What firmware would leave in the memory below 1 MiB: ACPI and SMBIOS tables.

#ifndef TOUCHSTONE_VMM_MACHINE_FIRMWARE_TABLES_H_
#define TOUCHSTONE_VMM_MACHINE_FIRMWARE_TABLES_H_

#include "absl/status/statusor.h"
#include "base/memory/guest_address.h"
#include "base/memory/guest_memory.h"
#include "vmm/config/config.pb.h"
#include "vmm/machine/acpi/acpi_config.h"
#include "vmm/machine/boot/memory_layout.h"
#include "vmm/machine/smbios/smbios.h"

namespace touchstone {

// Bytes for all ACPI tables.
inline constexpr uint64_t kAcpiAreaSize = kSmbiosAddress - kAcpiTablesAddress;

// What the tables say.
struct FirmwareContent {
  AcpiConfig acpi;
  SmbiosContent smbios;
};

// Adds the files of --acpi-table to `acpi`. Errors name the option and the file.
// REQUIRES: `config` is validated.
absl::StatusOr<FirmwareContent> ReadFirmwareContent(const RunConfig& config, AcpiConfig acpi);

// Writes all tables; returns where ACPI's root pointer is. Errors name the option, for --acpi-table
// the file too, and the reason.
absl::StatusOr<GuestAddress> WriteFirmwareTables(const FirmwareContent& content,
                                                 const GuestMemory& memory);

}  // namespace touchstone

#endif  // TOUCHSTONE_VMM_MACHINE_FIRMWARE_TABLES_H_
