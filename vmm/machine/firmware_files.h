// What the firmware of --bios is told of the machine, as files of the firmware configuration device
// (QEMU, docs/specs/fw_cfg; the names are those that SeaBIOS and OVMF look for).
//
//   etc/e820                      the memory map: entries of address, size (64 bits), type (32)
//   etc/table-loader, etc/acpi/*  ACPI tables (vmm/machine/acpi/table_loader.h)
//   etc/smbios/smbios-anchor      SMBIOS entry point
//   etc/smbios/smbios-tables      SMBIOS structures
//   etc/sercon-port               where SeaBIOS has its screen, when there is a COM1

#ifndef TOUCHSTONE_VMM_MACHINE_FIRMWARE_FILES_H_
#define TOUCHSTONE_VMM_MACHINE_FIRMWARE_FILES_H_

#include <vector>

#include "absl/status/statusor.h"
#include "devices/platform/fw_cfg/fw_cfg.h"
#include "vmm/machine/boot/memory_layout.h"
#include "vmm/machine/firmware_tables.h"

namespace touchstone {

// Errors name the option and the reason. A pure function: thread-safe.
absl::StatusOr<std::vector<FwCfg::File>> FirmwareFiles(const FirmwareContent& content,
                                                       const MemoryLayout& layout);

}  // namespace touchstone

#endif  // TOUCHSTONE_VMM_MACHINE_FIRMWARE_FILES_H_
