#include "vmm/machine/firmware_files.h"

#include <string>
#include <utility>

#include "base/append_object.h"
#include "base/endian.h"
#include "base/status.h"
#include "devices/platform/serial/serial_registers.h"
#include "vmm/machine/acpi/table_loader.h"
#include "vmm/machine/smbios/smbios.h"

namespace touchstone {
namespace {

std::vector<uint8_t> MemoryMap(const MemoryLayout& layout) {
  std::vector<uint8_t> file;
  for (const E820Entry& entry : layout.FirmwareE820()) {
    AppendObject(file, Le64(Raw(entry.range.start)));
    AppendObject(file, Le64(entry.range.size));
    AppendObject(file, Le32(static_cast<uint32_t>(entry.type)));
  }
  return file;
}

}  // namespace

absl::StatusOr<std::vector<FwCfg::File>> FirmwareFiles(const FirmwareContent& content,
                                                       const MemoryLayout& layout) {
  const std::vector<AcpiComPort>& com_ports = content.acpi.com_ports;
  const bool com1 = !com_ports.empty() && com_ports[0].port == kSerialPorts[0].port;
  ASSIGN_OR_RETURN(LoadableTables tables, BuildLoadableTables(content.acpi, kAcpiAreaSize));
  absl::StatusOr<SmbiosFiles> smbios = EncodeSmbiosFiles(content.smbios);
  if (!smbios.ok()) return Annotate(smbios.status(), "--smbios");

  std::vector<FwCfg::File> files;
  files.push_back({"etc/e820", MemoryMap(layout)});
  files.push_back({kAcpiRsdpFile, std::move(tables.rsdp)});
  files.push_back({kAcpiTablesFile, std::move(tables.tables)});
  files.push_back({kTableLoaderFile, std::move(tables.script)});
  files.push_back({"etc/smbios/smbios-anchor", std::move(smbios->anchor)});
  files.push_back({"etc/smbios/smbios-tables", std::move(smbios->structures)});
  if (com1) {
    FwCfg::File& console = files.emplace_back(FwCfg::File{"etc/sercon-port", {}});
    AppendObject(console.contents, Le64(uint64_t{kSerialPorts[0].port}));
  }
  return files;
}

}  // namespace touchstone
