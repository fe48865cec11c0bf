#include "vmm/machine/acpi/table_loader.h"

#include <algorithm>
#include <map>
#include <numeric>
#include <string>

#include "base/endian.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "vmm/machine/acpi/acpi_testing.h"
#include "vmm/machine/acpi/sdt.h"
#include "vmm/machine/acpi/tables.h"

namespace touchstone {
namespace {

using ::testing::UnorderedElementsAre;

using Bytes = std::vector<uint8_t>;

constexpr uint64_t kMost = 0x20000;

// What SeaBIOS and OVMF do with the files, when the tables come to be at kTables.
class Firmware {
 public:
  static constexpr uint64_t kTables = 0x7F000000;

  explicit Firmware(const LoadableTables& files) : tables_(files.tables), rsdp_(files.rsdp) {
    for (size_t at = 0; at < files.script.size(); at += kTableLoaderEntrySize) {
      Run(absl::MakeConstSpan(files.script).subspan(at, kTableLoaderEntrySize));
    }
  }

  const Bytes& tables() const { return tables_; }
  const Bytes& rsdp() const { return rsdp_; }
  const std::map<std::string, uint64_t>& zones() const { return zones_; }

 private:
  static std::string Name(absl::Span<const uint8_t> entry, size_t offset) {
    return reinterpret_cast<const char*>(entry.subspan(offset).data());
  }
  Bytes& File(const std::string& name) { return name == kAcpiRsdpFile ? rsdp_ : tables_; }
  void Run(absl::Span<const uint8_t> entry) {
    const auto number = [&](size_t offset, size_t size) {
      return LoadLe(entry.subspan(offset, size));
    };
    const std::string name = Name(entry, 4);
    const absl::Span<uint8_t> file = absl::MakeSpan(File(name));
    switch (number(0, 4)) {
      case 1:
        zones_[name] = number(64, 1);
        break;
      case 2: {
        const absl::Span<uint8_t> pointer = file.subspan(number(116, 4), number(120, 1));
        StoreLe(LoadLe(pointer) + kTables, pointer);
        break;
      }
      case 3: {
        const absl::Span<uint8_t> range = file.subspan(number(64, 4), number(68, 4));
        file[number(60, 4)] = static_cast<uint8_t>(-std::accumulate(range.begin(), range.end(), 0));
        break;
      }
      default:
        ADD_FAILURE() << "command " << number(0, 4);
    }
  }

  Bytes tables_, rsdp_;
  std::map<std::string, uint64_t> zones_;
};

TEST(TableLoaderTest, FirmwareHasTheTablesThatAMachineWithoutFirmwareHas) {
  const AcpiConfig config = TypicalAcpiConfig(4, 3);
  const absl::StatusOr<LoadableTables> files = BuildLoadableTables(config, kMost);
  ASSERT_TRUE(files.ok()) << files.status();

  const Firmware firmware(*files);

  // The first bytes of the area are the root pointer's, which is elsewhere here.
  Bytes expected = EncodeAcpiTables(config, GuestAddress{Firmware::kTables}, kMost).value();
  const Bytes rsdp(expected.begin(), expected.begin() + 36);
  std::fill_n(expected.begin(), 36, uint8_t{0});
  EXPECT_EQ(firmware.rsdp(), rsdp);
  EXPECT_EQ(firmware.tables(), expected);
}

TEST(TableLoaderTest, TheRootPointerGoesBelowOneMiBAndTheTablesAnywhere) {
  const Firmware firmware(BuildLoadableTables(TypicalAcpiConfig(1, 1), kMost).value());

  EXPECT_THAT(firmware.zones(), UnorderedElementsAre(testing::Pair(kAcpiRsdpFile, 2),
                                                     testing::Pair(kAcpiTablesFile, 1)));
}

TEST(TableLoaderTest, AUsersShortFadtHasNoLongPointer) {
  AcpiConfig config = TypicalAcpiConfig(1, 1);
  config.extra_tables.push_back({"short", BuildSdt("FACP", 1, Bytes(116 - 36))});

  const Firmware firmware(BuildLoadableTables(config, kMost).value());

  Bytes expected = EncodeAcpiTables(config, GuestAddress{Firmware::kTables}, kMost).value();
  std::fill_n(expected.begin(), 36, uint8_t{0});
  EXPECT_EQ(firmware.tables(), expected);
}

TEST(TableLoaderTest, TooManyBytesAreAnError) {
  EXPECT_EQ(BuildLoadableTables(TypicalAcpiConfig(1, 1), 64).status().code(),
            absl::StatusCode::kResourceExhausted);
}

}  // namespace
}  // namespace touchstone
