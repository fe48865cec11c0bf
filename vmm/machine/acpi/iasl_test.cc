// The reference compiler reads every table, compiles what it read without an error, a warning or a
// remark, and gets the same bytes again.

#include <stdlib.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "vmm/machine/acpi/acpi_testing.h"
#include "vmm/machine/acpi/resource_template.h"
#include "vmm/machine/acpi/tables.h"

namespace touchstone {
namespace {

using ::testing::Contains;
using ::testing::HasSubstr;
using ::testing::Key;

constexpr GuestAddress kArea{0xE0000};
constexpr uint64_t kAreaSize = 0x10000;

struct Compiled {
  int exit_status = -1;
  std::string log;
  std::vector<uint8_t> table;
};

std::vector<uint8_t> ReadBytes(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  return std::vector<uint8_t>{std::istreambuf_iterator<char>(file), {}};
}

// Disassembles and compiles one table.
Compiled RoundTrip(const std::string& signature, const std::vector<uint8_t>& table) {
  const std::filesystem::path folder = std::filesystem::path(testing::TempDir()) / signature;
  std::filesystem::create_directories(folder);
  std::ofstream(folder / "in.aml", std::ios::binary)
      .write(reinterpret_cast<const char*>(table.data()),
             static_cast<std::streamsize>(table.size()));
  // -oa: no optimization, which would change the bytes.
  const std::string command =
      absl::StrCat("cd ", folder.string(),
                   " && { iasl -d in.aml && mv in.dsl out.dsl && iasl -oa out.dsl; } >log 2>&1");
  Compiled result;
  result.exit_status = system(command.c_str());
  const std::vector<uint8_t> log = ReadBytes(folder / "log");
  result.log.assign(log.begin(), log.end());
  result.table = ReadBytes(folder / "out.aml");
  return result;
}

// Without what the compiler sets itself: checksum and creator.
std::vector<uint8_t> Comparable(std::vector<uint8_t> table) {
  const bool has_header = table.size() > sizeof(SdtHeader) && SdtSignature(table) != "FACS";
  if (!has_header) return table;
  table[offsetof(SdtHeader, checksum)] = 0;
  std::fill_n(table.begin() + offsetof(SdtHeader, creator_id), 8, uint8_t{0});
  return table;
}

AcpiConfig EverythingConfig() {
  AcpiConfig config = TypicalAcpiConfig(64, 32);
  config.apic_ids.back() = 255;
  config.power.idle_port = 0x610;
  config.performance.resize(64, {.highest = 0xFFFF, .nominal = 24, .nominal_mhz = 2600});
  ResourceTemplate crs;
  crs.AddFixedMemory32(0xFED00000, 0x1000);
  crs.AddInterrupt(20);
  config.system_bus_aml =
      Aml::Device("TEST", {Aml::Name("_HID", Aml::EisaId("PNP0C02")),
                           Aml::Name("_UID", Aml::Integer(7)), Aml::Name("_CRS", crs.Build())})
          .bytes();
  return config;
}

class IaslTest : public testing::TestWithParam<std::string> {};

TEST_P(IaslTest, CompilesCleanToTheSameBytes) {
  const std::vector<uint8_t> bytes = EncodeAcpiTables(EverythingConfig(), kArea, kAreaSize).value();
  const auto tables = ReadAcpiTables(bytes, kArea);
  ASSERT_THAT(tables, Contains(Key(GetParam())));
  const std::vector<uint8_t>& table = tables.at(GetParam());

  const Compiled compiled = RoundTrip(GetParam(), table);

  EXPECT_EQ(compiled.exit_status, 0) << compiled.log;
  EXPECT_THAT(compiled.log, HasSubstr("0 Errors, 0 Warnings, 0 Remarks"));
  EXPECT_EQ(Comparable(compiled.table), Comparable(table)) << compiled.log;
}

INSTANTIATE_TEST_SUITE_P(All, IaslTest,
                         testing::Values("APIC", "DSDT", "FACP", "FACS", "MCFG", "XSDT"));

TEST(IaslTest, MachineWithoutLegacyDevicesCompilesClean) {
  AcpiConfig config;
  config.apic_ids = {0};
  config.power.standby_sleep_type.reset();
  const std::vector<uint8_t> bytes = EncodeAcpiTables(config, kArea, kAreaSize).value();
  const std::vector<uint8_t> dsdt = ReadAcpiTables(bytes, kArea).at("DSDT");

  const Compiled compiled = RoundTrip("MINIMAL", dsdt);

  EXPECT_EQ(compiled.exit_status, 0) << compiled.log;
  EXPECT_THAT(compiled.log, HasSubstr("0 Errors, 0 Warnings, 0 Remarks"));
  EXPECT_EQ(Comparable(compiled.table), Comparable(dsdt)) << compiled.log;
}

}  // namespace
}  // namespace touchstone
