#include "vmm/machine/firmware_files.h"

#include <map>
#include <string>
#include <vector>

#include "base/endian.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "vmm/machine/acpi/acpi_testing.h"
#include "vmm/machine/smbios/smbios.h"

namespace touchstone {
namespace {

using ::testing::ElementsAre;
using ::testing::Key;
using ::testing::Not;

using Bytes = std::vector<uint8_t>;

std::map<std::string, Bytes> Files(const AcpiConfig& acpi, const MemoryLayoutOptions& memory) {
  std::map<std::string, Bytes> files;
  const MemoryLayout layout = MemoryLayout::Plan(memory).value();
  const std::vector<FwCfg::File> list = FirmwareFiles({.acpi = acpi}, layout).value();
  for (const FwCfg::File& file : list) files[file.name] = file.contents;
  return files;
}

struct Entry {
  uint64_t start, size, type;
  bool operator==(const Entry&) const = default;
};

std::vector<Entry> MemoryMap(const Bytes& file) {
  std::vector<Entry> map;
  for (size_t at = 0; at < file.size(); at += 20) {
    const absl::Span<const uint8_t> entry = absl::MakeConstSpan(file).subspan(at, 20);
    map.push_back(
        {LoadLe(entry.subspan(0, 8)), LoadLe(entry.subspan(8, 8)), LoadLe(entry.subspan(16, 4))});
  }
  return map;
}

TEST(FirmwareFilesTest, MemoryBelowOneMiBIsLeftToTheFirmware) {
  const auto files = Files(TypicalAcpiConfig(1, 1), {.ram_size = 4 * kGiB});

  EXPECT_THAT(MemoryMap(files.at("etc/e820")),
              ElementsAre(Entry{0, 0xD0000000, 1}, Entry{0xF4000000, 64 * kMiB, 2},
                          Entry{0xFEFFC000, 0x4000, 2}, Entry{4 * kGiB, 0x30000000, 1}));
}

TEST(FirmwareFilesTest, TablesComeWithTheScriptThatLoadsThem) {
  const auto files = Files(TypicalAcpiConfig(1, 1), {.ram_size = kGiB});

  EXPECT_EQ(files.at("etc/acpi/rsdp").size(), 36u);
  EXPECT_FALSE(files.at("etc/acpi/tables").empty());
  EXPECT_EQ(files.at("etc/table-loader").size() % 128, 0u);
}

TEST(FirmwareFilesTest, SmbiosIsAnEntryPointAndTheStructures) {
  const auto files = Files(TypicalAcpiConfig(1, 1), {.ram_size = kGiB});
  const SmbiosFiles expected = EncodeSmbiosFiles({}).value();

  EXPECT_EQ(files.at("etc/smbios/smbios-anchor"), expected.anchor);
  EXPECT_EQ(files.at("etc/smbios/smbios-tables"), expected.structures);
}

TEST(FirmwareFilesTest, TheScreenIsComOneWhenThereIsOne) {
  AcpiConfig acpi = TypicalAcpiConfig(1, 1);
  acpi.com_ports = {{0x3F8, 4}};
  EXPECT_THAT(Files(acpi, {.ram_size = kGiB}).at("etc/sercon-port"),
              ElementsAre(0xF8, 0x03, 0, 0, 0, 0, 0, 0));

  acpi.com_ports = {{0x2F8, 3}};
  EXPECT_THAT(Files(acpi, {.ram_size = kGiB}), Not(testing::Contains(Key("etc/sercon-port"))));
}

TEST(FirmwareFilesTest, AMissingTableNamesItsOption) {
  RunConfig config;
  config.add_acpi_table("/no/table");

  EXPECT_EQ(ReadFirmwareContent(config, TypicalAcpiConfig(1, 1)).status().message(),
            "--acpi-table: open /no/table: No such file or directory");
}

}  // namespace
}  // namespace touchstone
