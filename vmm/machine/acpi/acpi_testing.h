// A typical machine for tests, fuzzers and benchmarks of the tables, and a reader of them.

#ifndef TOUCHSTONE_VMM_MACHINE_ACPI_ACPI_TESTING_H_
#define TOUCHSTONE_VMM_MACHINE_ACPI_ACPI_TESTING_H_

#include <cstdint>
#include <map>
#include <numeric>
#include <string>
#include <vector>

#include "absl/types/span.h"
#include "base/endian.h"
#include "base/memory/guest_address.h"
#include "vmm/machine/acpi/acpi_config.h"
#include "vmm/machine/acpi/sdt.h"

namespace touchstone {

// `cpus` processors, `slots` PCI slots with four pins each, four COM ports, RTC and ECAM.
inline AcpiConfig TypicalAcpiConfig(uint32_t cpus, uint8_t slots) {
  AcpiConfig config;
  config.apic_ids.resize(cpus);
  std::iota(config.apic_ids.begin(), config.apic_ids.end(), 0u);
  config.pci.ecam = AcpiEcam{.base = 0xF4000000, .bus_count = 64};
  config.pci.io_windows = {{0xC000, 0x4000}};
  config.pci.memory_windows = {{0xD0000000, 0x24000000}, {0x180000000, 0x4000000000}};
  for (uint8_t slot = 0; slot < slots; ++slot) {
    for (uint8_t pin = 0; pin < 4; ++pin) {
      config.pci.routes.push_back({slot, pin, 16u + (slot + pin) % 8});
    }
  }
  config.com_ports = {{0x3F8, 4}, {0x2F8, 3}, {0x3E8, 4}, {0x2E8, 3}};
  config.rtc.emplace();
  return config;
}

// The tables that the encoded area `bytes`, meant for `area`, points to, by signature: what XSDT
// lists, XSDT itself, and FACS and DSDT as FACP has them. Addresses outside abort the test.
inline std::map<std::string, std::vector<uint8_t>> ReadAcpiTables(absl::Span<const uint8_t> bytes,
                                                                  GuestAddress area) {
  std::map<std::string, std::vector<uint8_t>> tables;
  const auto add = [&](uint64_t address) -> const std::vector<uint8_t>& {
    const absl::Span<const uint8_t> at = bytes.subspan(address - Raw(area));
    const auto length = static_cast<size_t>(LoadLe(at.subspan(4, 4)));
    std::vector<uint8_t>& table = tables[std::string(SdtSignature(at))];
    table.assign(at.begin(), at.begin() + static_cast<ptrdiff_t>(length));
    return table;
  };
  const std::vector<uint8_t>& xsdt = add(LoadLe(bytes.subspan(24, 8)));
  const absl::Span<const uint8_t> entries = absl::MakeConstSpan(xsdt).subspan(sizeof(SdtHeader));
  for (size_t i = 0; i < entries.size(); i += 8) add(LoadLe(entries.subspan(i, 8)));
  const std::vector<uint8_t>& fadt = tables["FACP"];
  add(LoadLe(absl::MakeConstSpan(fadt).subspan(36, 4)));
  add(LoadLe(absl::MakeConstSpan(fadt).subspan(40, 4)));
  return tables;
}

}  // namespace touchstone

#endif  // TOUCHSTONE_VMM_MACHINE_ACPI_ACPI_TESTING_H_
