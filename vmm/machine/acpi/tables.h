// All ACPI tables of a machine, written to guest memory.
//
//   area                                                         area + size
//   | RSDP | FACS | DSDT | FACP | APIC | MCFG | extra tables | XSDT | free |
//
// A guest without firmware finds the RSDP by searching 0xE0000 to 0xFFFFF on 16-byte boundaries
// (ACPI 6.4, section 5.2.5.1), so `area` should be 0xE0000 or above; 64 vCPUs and 32 slots take
// about 8 KiB.
//
// A user's DSDT or FACP replaces the generated table (only the addresses in FACP are ours), of an
// APIC table the interrupt source overrides are taken, any other is added. These are pure
// functions, thread-safe.

#ifndef TOUCHSTONE_VMM_MACHINE_ACPI_TABLES_H_
#define TOUCHSTONE_VMM_MACHINE_ACPI_TABLES_H_

#include <cstdint>
#include <vector>

#include "absl/status/statusor.h"
#include "base/memory/guest_address.h"
#include "base/memory/guest_memory.h"
#include "vmm/machine/acpi/acpi_config.h"

namespace touchstone {

// The bytes of all tables as they are to be at `area`, RSDP first. InvalidArgument for a bad
// configuration or extra table, ResourceExhausted when they need more than `area_size` bytes.
// REQUIRES: `area` is a multiple of 64 and the area ends below 4 GiB.
absl::StatusOr<std::vector<uint8_t>> EncodeAcpiTables(const AcpiConfig& config, GuestAddress area,
                                                      uint64_t area_size);

// Writes them and returns the address of the RSDP, which is `area`. Errors as above, and those of
// GuestMemory::Write.
absl::StatusOr<GuestAddress> BuildAcpiTables(const AcpiConfig& config, const GuestMemory& memory,
                                             GuestAddress area, uint64_t area_size);

}  // namespace touchstone

#endif  // TOUCHSTONE_VMM_MACHINE_ACPI_TABLES_H_
