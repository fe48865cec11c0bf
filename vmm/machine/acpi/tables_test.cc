#include "vmm/machine/acpi/tables.h"

#include <cstdint>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/types/span.h"
#include "base/endian.h"
#include "base/memory/guest_memory.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "vmm/machine/acpi/acpi_testing.h"
#include "vmm/machine/acpi/madt.h"
#include "vmm/machine/acpi/sdt.h"

namespace touchstone {
namespace {

using ::testing::ElementsAreArray;
using ::testing::HasSubstr;
using ::testing::IsSupersetOf;
using ::testing::Key;
using ::testing::UnorderedElementsAre;

constexpr GuestAddress kArea{0xE0000};
constexpr uint64_t kAreaSize = 0x10000;

using Bytes = std::vector<uint8_t>;

absl::Span<const uint8_t> Part(const Bytes& bytes, size_t offset, size_t size) {
  return absl::MakeConstSpan(bytes).subspan(offset, size);
}

// REQUIRES: the configuration is good.
Bytes Encode(const AcpiConfig& config) {
  return EncodeAcpiTables(config, kArea, kAreaSize).value();
}

absl::Status EncodeStatus(const AcpiConfig& config) {
  return EncodeAcpiTables(config, kArea, kAreaSize).status();
}

Bytes Table(const AcpiConfig& config, const std::string& signature) {
  return ReadAcpiTables(Encode(config), kArea).at(signature);
}

AcpiConfig WithExtra(std::vector<Bytes> tables) {
  AcpiConfig config = TypicalAcpiConfig(1, 1);
  for (Bytes& table : tables) {
    const size_t number = config.extra_tables.size() + 1;
    config.extra_tables.push_back({absl::StrCat("table ", number), std::move(table)});
  }
  return config;
}

TEST(AcpiTablesTest, RsdpComesFirstWithBothChecksums) {
  const Bytes bytes = Encode(TypicalAcpiConfig(1, 1));

  EXPECT_EQ(absl::string_view(reinterpret_cast<const char*>(bytes.data()), 8), "RSD PTR ");
  EXPECT_EQ(bytes[15], 2);                    // revision
  EXPECT_EQ(LoadLe(Part(bytes, 16, 4)), 0u);  // no RSDT
  EXPECT_EQ(LoadLe(Part(bytes, 20, 4)), 36u);
  EXPECT_EQ(AcpiChecksum(Part(bytes, 0, 20)), 0);
  EXPECT_EQ(AcpiChecksum(Part(bytes, 0, 36)), 0);
}

TEST(AcpiTablesTest, EveryTableIsValidAndAligned) {
  const Bytes bytes = Encode(TypicalAcpiConfig(2, 4));
  auto tables = ReadAcpiTables(bytes, kArea);
  const Bytes facs = tables.at("FACS");
  tables.erase("FACS");

  EXPECT_THAT(tables, UnorderedElementsAre(Key("XSDT"), Key("FACP"), Key("DSDT"), Key("APIC"),
                                           Key("MCFG")));
  for (const auto& [signature, table] : tables) EXPECT_TRUE(ValidateSdt(table).ok()) << signature;
  EXPECT_EQ(LoadLe(Part(tables.at("FACP"), 36, 4)) % 64, 0u);
  EXPECT_EQ(LoadLe(Part(facs, 4, 4)), 64u);
}

TEST(AcpiTablesTest, McfgDescribesEcam) {
  const Bytes mcfg = Table(TypicalAcpiConfig(1, 1), "MCFG");

  EXPECT_THAT(Part(mcfg, 36, 24), ElementsAreArray<uint8_t>({0, 0, 0, 0,    0, 0, 0, 0,  //
                                                             0, 0, 0, 0xF4, 0, 0, 0, 0,  //
                                                             0, 0, 0, 63,   0, 0, 0, 0}));
}

TEST(AcpiTablesTest, NoEcamNoMcfg) {
  AcpiConfig config = TypicalAcpiConfig(1, 1);
  config.pci.ecam.reset();

  EXPECT_EQ(ReadAcpiTables(Encode(config), kArea).count("MCFG"), 0u);
}

TEST(AcpiTablesTest, LargeMachinesFit) {
  EXPECT_TRUE(EncodeStatus(TypicalAcpiConfig(64, 32)).ok());
  EXPECT_TRUE(EncodeStatus(TypicalAcpiConfig(254, 32)).ok());
}

TEST(AcpiTablesTest, TooSmallAreaIsResourceExhausted) {
  const absl::Status status = EncodeAcpiTables(TypicalAcpiConfig(64, 32), kArea, 4096).status();

  EXPECT_EQ(status.code(), absl::StatusCode::kResourceExhausted);
  EXPECT_THAT(std::string(status.message()), HasSubstr("64 processors, 128 PCI routes"));
}

TEST(AcpiTablesTest, TablesLandInGuestMemory) {
  const AcpiConfig config = TypicalAcpiConfig(2, 2);
  const GuestMemory memory = GuestMemory::Create({{GuestAddress{0}, 1 << 20}}, {}).value();

  const absl::StatusOr<GuestAddress> rsdp = BuildAcpiTables(config, memory, kArea, kAreaSize);

  ASSERT_TRUE(rsdp.ok()) << rsdp.status();
  EXPECT_EQ(*rsdp, kArea);
  const Bytes expected = Encode(config);
  Bytes written(expected.size());
  ASSERT_TRUE(memory.Read(kArea, absl::MakeSpan(written)).ok());
  EXPECT_EQ(written, expected);
}

TEST(AcpiTablesTest, MissingGuestMemoryIsAnError) {
  const GuestMemory memory = GuestMemory::Create({{GuestAddress{0}, 4096}}, {}).value();

  EXPECT_EQ(BuildAcpiTables(TypicalAcpiConfig(1, 1), memory, kArea, kAreaSize).status().code(),
            absl::StatusCode::kOutOfRange);
}

TEST(AcpiTablesTest, UnknownExtraTableIsListed) {
  const Bytes ssdt = BuildSdt("SSDT", 2, {});

  EXPECT_EQ(Table(WithExtra({ssdt}), "SSDT"), ssdt);
}

TEST(AcpiTablesTest, ExtraDsdtReplacesOurs) {
  const Bytes dsdt = BuildSdt("DSDT", 2, {0x08, 'A', 'B', 'C', 'D', 0x01});

  EXPECT_EQ(Table(WithExtra({dsdt}), "DSDT"), dsdt);
}

TEST(AcpiTablesTest, ExtraFacpKeepsAllButTheAddresses) {
  Bytes body(276 - sizeof(SdtHeader), 0xAA);

  const auto tables = ReadAcpiTables(Encode(WithExtra({BuildSdt("FACP", 6, body)})), kArea);

  const Bytes& fadt = tables.at("FACP");
  EXPECT_TRUE(ValidateSdt(fadt).ok());
  EXPECT_EQ(LoadLe(Part(fadt, 132, 8)), 0u);                         // X_FIRMWARE_CTRL
  EXPECT_EQ(LoadLe(Part(fadt, 140, 8)), LoadLe(Part(fadt, 40, 4)));  // X_DSDT and DSDT
  EXPECT_THAT(Part(fadt, 44, 132 - 44), ElementsAreArray(Bytes(132 - 44, 0xAA)));
  EXPECT_THAT(Part(fadt, 148, 276 - 148), ElementsAreArray(Bytes(276 - 148, 0xAA)));
  EXPECT_THAT(tables, IsSupersetOf({Key("FACS"), Key("DSDT")}));
}

TEST(AcpiTablesTest, ShortExtraFacpOfAcpi1Works) {
  const Bytes body(116 - sizeof(SdtHeader), 0);

  EXPECT_EQ(Table(WithExtra({BuildSdt("FACP", 1, body)}), "FACP").size(), 116u);
}

TEST(AcpiTablesTest, ExtraFacpWithoutRoomForDsdtIsAnError) {
  EXPECT_EQ(EncodeStatus(WithExtra({BuildSdt("FACP", 1, {1, 2, 3})})).code(),
            absl::StatusCode::kInvalidArgument);
}

TEST(AcpiTablesTest, ExtraApicGivesItsOverrides) {
  Bytes body(8);
  InterruptOverride entry;
  entry.source = 7;
  entry.gsi = uint32_t{21};
  AppendObject(body, entry);

  const Bytes madt = Table(WithExtra({BuildSdt("APIC", 5, body)}), "APIC");

  const auto overrides = ReadInterruptOverrides(madt).value();
  ASSERT_EQ(overrides.size(), 2u);  // theirs and the SCI's
  EXPECT_EQ(overrides[0].source, 7);
  EXPECT_EQ(overrides[0].gsi, 21u);
}

struct BadTable {
  std::string name;
  Bytes table;
  std::string message;
};

class BadExtraTableTest : public testing::TestWithParam<BadTable> {};

TEST_P(BadExtraTableTest, IsInvalidArgument) {
  const absl::Status status = EncodeStatus(WithExtra({GetParam().table}));

  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(status.message()), HasSubstr("table 1: "));
  EXPECT_THAT(std::string(status.message()), HasSubstr(GetParam().message));
}

Bytes WithByte(Bytes table, size_t offset, uint8_t value) {
  table[offset] = value;
  return table;
}

INSTANTIATE_TEST_SUITE_P(
    All, BadExtraTableTest,
    testing::Values(BadTable{"Empty", {}, "too short"},
                    BadTable{"HeaderOnlyInPart", Bytes(35, 'A'), "too short"},
                    BadTable{"Binary", Bytes(64, 0), "not printable"},
                    BadTable{"Longer", WithByte(BuildSdt("SSDT", 2, {}), 4, 37), "37 bytes long"},
                    BadTable{"Checksum", WithByte(BuildSdt("SSDT", 2, {}), 8, 77), "checksum"},
                    BadTable{"Xsdt", BuildSdt("XSDT", 1, {}), "belongs to the machine"},
                    BadTable{"ShortApic", BuildSdt("APIC", 5, {0, 0, 0}), "too short"},
                    BadTable{"ApicEntryOfNoLength",
                             BuildSdt("APIC", 5, {0, 0, 0, 0, 0, 0, 0, 0, 2, 0}), "offset 44"},
                    BadTable{"ApicEntryPastEnd",
                             BuildSdt("APIC", 5, {0, 0, 0, 0, 0, 0, 0, 0, 2, 10, 0}), "offset 44"},
                    BadTable{"ApicOverrideOfWrongLength",
                             BuildSdt("APIC", 5, {0, 0, 0, 0, 0, 0, 0, 0, 2, 3, 0}), "3 bytes"}),
    [](const auto& info) { return info.param.name; });

TEST(AcpiTablesTest, ExtraDsdtTwiceIsAnError) {
  const Bytes dsdt = BuildSdt("DSDT", 2, {});

  EXPECT_THAT(std::string(EncodeStatus(WithExtra({dsdt, dsdt})).message()),
              HasSubstr("table 2: DSDT is given twice"));
}

}  // namespace
}  // namespace touchstone
