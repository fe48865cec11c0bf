#include "vmm/machine/firmware_tables.h"

#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/read_file.h"
#include "base/status.h"
#include "vmm/config/uuid.h"
#include "vmm/machine/acpi/tables.h"

namespace touchstone {
namespace {

absl::StatusOr<SmbiosContent> SmbiosOf(const RunConfig& config) {
  const SmbiosConfig& given = config.smbios();
  SmbiosContent content = {.bios_vendor = given.bios_vendor(),
                           .bios_version = given.bios_version(),
                           .manufacturer = given.manufacturer(),
                           .product_name = given.product_name(),
                           .serial_number = given.serial_number()};
  if (given.has_uuid()) {
    ASSIGN_OR_RETURN(content.uuid, ParseUuid(given.uuid()));
  }
  content.oem_strings.assign(given.oem_strings().begin(), given.oem_strings().end());
  content.oem_strings.insert(content.oem_strings.end(), config.oem_strings().begin(),
                             config.oem_strings().end());
  return content;
}

}  // namespace

absl::StatusOr<FirmwareContent> ReadFirmwareContent(const RunConfig& config, AcpiConfig acpi) {
  for (const std::string& path : config.acpi_table()) {
    absl::StatusOr<std::vector<uint8_t>> table = ReadFile(path, kAcpiAreaSize);
    if (!table.ok()) return Annotate(table.status(), "--acpi-table");
    acpi.extra_tables.push_back({absl::StrCat("--acpi-table ", path), *std::move(table)});
  }
  ASSIGN_OR_RETURN(SmbiosContent smbios, SmbiosOf(config));
  return FirmwareContent{std::move(acpi), std::move(smbios)};
}

absl::StatusOr<GuestAddress> WriteFirmwareTables(const FirmwareContent& content,
                                                 const GuestMemory& memory) {
  RETURN_IF_ERROR(Annotate(WriteSmbiosTables(content.smbios, memory, kSmbiosAddress), "--smbios"));
  return BuildAcpiTables(content.acpi, memory, kAcpiTablesAddress, kAcpiAreaSize);
}

}  // namespace touchstone
