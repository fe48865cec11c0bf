#include "vmm/machine/firmware_tables.h"

#include <stdlib.h>

#include <fstream>
#include <map>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/status.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "vmm/machine/acpi/acpi_testing.h"
#include "vmm/machine/acpi/sdt.h"
#include "vmm/machine/boot/memory_layout.h"
#include "vmm/machine/smbios/smbios.h"

namespace touchstone {
namespace {

using ::testing::Contains;
using ::testing::Key;

using Bytes = std::vector<uint8_t>;

class FirmwareTablesTest : public testing::Test {
 protected:
  absl::StatusOr<GuestAddress> Write() {
    ASSIGN_OR_RETURN(const FirmwareContent content,
                     ReadFirmwareContent(config_, TypicalAcpiConfig(1, 1)));
    return WriteFirmwareTables(content, memory_);
  }
  Bytes BytesAt(GuestAddress address, size_t size) {
    Bytes bytes(size);
    EXPECT_TRUE(memory_.Read(address, absl::MakeSpan(bytes)).ok());
    return bytes;
  }
  std::string AddFile(const std::string& name, const Bytes& bytes) {
    const std::string path = absl::StrCat(testing::TempDir(), "/", name);
    std::ofstream(path, std::ios::binary)
        .write(reinterpret_cast<const char*>(bytes.data()),
               static_cast<std::streamsize>(bytes.size()));
    config_.add_acpi_table(path);
    return path;
  }

  RunConfig config_;
  const GuestMemory memory_ = GuestMemory::Create({{GuestAddress{0}, kMiB}}, {}).value();
};

TEST_F(FirmwareTablesTest, AcpiAndSmbiosAreWhereAGuestLooks) {
  ASSERT_EQ(Write().value(), kAcpiTablesAddress);

  EXPECT_EQ(BytesAt(kAcpiTablesAddress, 8), Bytes({'R', 'S', 'D', ' ', 'P', 'T', 'R', ' '}));
  EXPECT_EQ(BytesAt(kSmbiosAddress, 5), Bytes({'_', 'S', 'M', '3', '_'}));
}

TEST_F(FirmwareTablesTest, SmbiosSaysWhatTheOptionsSay) {
  SmbiosConfig& smbios = *config_.mutable_smbios();
  smbios.set_bios_vendor("V");
  smbios.set_bios_version("7");
  smbios.set_manufacturer("M");
  smbios.set_product_name("P");
  smbios.set_serial_number("S");
  smbios.set_uuid("00112233-4455-6677-8899-aabbccddeeff");
  smbios.add_oem_strings("one");
  config_.add_oem_strings("two");
  SmbiosContent expected = {.bios_vendor = "V",
                            .bios_version = "7",
                            .manufacturer = "M",
                            .product_name = "P",
                            .serial_number = "S",
                            .oem_strings = {"one", "two"}};
  for (size_t i = 0; i < expected.uuid.size(); ++i) {
    expected.uuid[i] = static_cast<uint8_t>(0x11 * i);
  }

  ASSERT_TRUE(Write().ok());

  const Bytes tables = EncodeSmbiosTables(expected, kSmbiosAddress).value();
  EXPECT_EQ(BytesAt(kSmbiosAddress, tables.size()), tables);
}

TEST_F(FirmwareTablesTest, WithoutOptionsSmbiosHasItsDefaults) {
  ASSERT_TRUE(Write().ok());

  const Bytes tables = EncodeSmbiosTables({}, kSmbiosAddress).value();
  EXPECT_EQ(BytesAt(kSmbiosAddress, tables.size()), tables);
}

TEST_F(FirmwareTablesTest, TooManyOemBytesNameTheirOption) {
  config_.add_oem_strings(std::string(kSmbiosAreaSize, 'x'));

  EXPECT_THAT(std::string(Write().status().message()), ::testing::StartsWith("--smbios: "));
}

TEST_F(FirmwareTablesTest, FilesAreAmongTheAcpiTables) {
  AddFile("one", BuildSdt("SSDT", 2, {}));
  AddFile("two", BuildSdt("OEM7", 1, {1, 2, 3}));

  ASSERT_TRUE(Write().ok());

  const auto tables = ReadAcpiTables(BytesAt(kAcpiTablesAddress, 0x10000), kAcpiTablesAddress);
  EXPECT_THAT(tables, Contains(Key("SSDT")));
  EXPECT_EQ(tables.at("OEM7"), BuildSdt("OEM7", 1, {1, 2, 3}));
}

TEST_F(FirmwareTablesTest, BadFileIsRefusedByItsName) {
  const std::string path = AddFile("short", Bytes(10, 'x'));

  EXPECT_EQ(
      Write().status().message(),
      absl::StrCat("--acpi-table ", path, ": 10 bytes are too short for an ACPI table header"));
}

TEST_F(FirmwareTablesTest, WrongChecksumIsRefused) {
  Bytes table = BuildSdt("SSDT", 2, {});
  table.back() ^= 1;
  const std::string path = AddFile("sum", table);

  EXPECT_EQ(Write().status().message(),
            absl::StrCat("--acpi-table ", path, ": SSDT has a wrong checksum"));
}

TEST_F(FirmwareTablesTest, LargeAndMissingFilesAreRefused) {
  const std::string path = AddFile("large", Bytes(0x10001, 'x'));
  EXPECT_EQ(Write().status().message(),
            absl::StrCat("--acpi-table: ", path,
                         " has more than 65536 bytes, the most that is accepted"));

  config_.set_acpi_table(0, "/no/such/table");
  EXPECT_EQ(Write().status().message(),
            "--acpi-table: open /no/such/table: No such file or directory");
}

}  // namespace
}  // namespace touchstone
