#include "vmm/machine/smbios/smbios.h"

#include <numeric>
#include <string>
#include <vector>

#include "absl/types/span.h"
#include "base/endian.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace touchstone {
namespace {

using ::testing::ElementsAre;
using ::testing::ElementsAreArray;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

using Bytes = std::vector<uint8_t>;

constexpr GuestAddress kArea{0xF0000};
constexpr size_t kEntrySize = 24;

// One structure as DSP0134 6.1.2 and 6.1.3 say it is read.
struct Structure {
  uint8_t type = 0;
  uint16_t handle = 0;
  Bytes formatted;
  std::vector<std::string> strings;
};

Bytes Encode(const SmbiosContent& config) { return EncodeSmbiosTables(config, kArea).value(); }

// Walks the table that the entry point names; a structure that passes its end ends the walk.
std::vector<Structure> Walk(const Bytes& area) {
  const auto at =
      static_cast<size_t>(LoadLe(absl::MakeConstSpan(area).subspan(16, 8)) - Raw(kArea));
  const auto size = static_cast<size_t>(LoadLe(absl::MakeConstSpan(area).subspan(12, 4)));
  Bytes table(area.begin() + static_cast<ptrdiff_t>(at),
              area.begin() + static_cast<ptrdiff_t>(at + size));
  std::vector<Structure> structures;
  for (size_t i = 0; i + 4 <= table.size();) {
    const size_t length = table[i + 1];
    Structure& found = structures.emplace_back();
    found.type = table[i];
    found.handle = static_cast<uint16_t>(LoadLe(absl::MakeConstSpan(table).subspan(i + 2, 2)));
    found.formatted.assign(table.begin() + static_cast<ptrdiff_t>(i),
                           table.begin() + static_cast<ptrdiff_t>(i + length));
    i += length;
    while (table.at(i) != 0) {
      const std::string text(reinterpret_cast<const char*>(&table[i]));
      found.strings.push_back(text);
      i += text.size() + 1;
    }
    i += found.strings.empty() ? 2 : 1;
  }
  return structures;
}

std::string StringAt(const Structure& structure, size_t offset) {
  const uint8_t number = structure.formatted.at(offset);
  return number == 0 ? "" : structure.strings.at(number - 1);
}

TEST(SmbiosTest, EntryPointIsFoundAndSumsUpToZero) {
  const Bytes area = Encode({});

  EXPECT_THAT(Bytes(area.begin(), area.begin() + 5), ElementsAre('_', 'S', 'M', '3', '_'));
  EXPECT_EQ(area[6], kEntrySize);
  EXPECT_THAT(Bytes(area.begin() + 7, area.begin() + 11), ElementsAre(3, 2, 0, 1));
  EXPECT_EQ(std::accumulate(area.begin(), area.begin() + kEntrySize, uint8_t{0},
                            [](uint8_t a, uint8_t b) { return static_cast<uint8_t>(a + b); }),
            0);
}

TEST(SmbiosTest, EntryPointTellsWhereTheTableIsAndItsExactSize) {
  const Bytes area = Encode({});

  EXPECT_EQ(LoadLe(absl::MakeConstSpan(area).subspan(16, 8)), Raw(kArea) + 32);
  EXPECT_EQ(LoadLe(absl::MakeConstSpan(area).subspan(12, 4)), area.size() - 32);
}

TEST(SmbiosTest, DefaultsDescribeAVirtualMachine) {
  const std::vector<Structure> structures = Walk(Encode({}));

  ASSERT_THAT(structures, SizeIs(3));
  const Structure& bios = structures[0];
  EXPECT_EQ(bios.type, 0);
  EXPECT_EQ(StringAt(bios, 0x04), "Touchstone");
  EXPECT_EQ(StringAt(bios, 0x05), "0");
  EXPECT_EQ(bios.formatted[0x13], 1 << 4);  // the table describes a virtual machine
  const Structure& system = structures[1];
  EXPECT_EQ(system.type, 1);
  EXPECT_EQ(StringAt(system, 0x04), "Touchstone");
  EXPECT_EQ(StringAt(system, 0x05), "Touchstone");
  EXPECT_EQ(StringAt(system, 0x07), "");
  EXPECT_THAT(Bytes(system.formatted.begin() + 8, system.formatted.begin() + 24),
              ElementsAreArray(Bytes(16, 0)));
  EXPECT_EQ(structures[2].type, 127);
  EXPECT_THAT(structures[2].strings, IsEmpty());
}

TEST(SmbiosTest, LengthsAreThoseOfTheSpecification) {
  const std::vector<Structure> structures = Walk(Encode({.oem_strings = {"a"}}));

  ASSERT_THAT(structures, SizeIs(4));
  EXPECT_THAT(structures[0].formatted, SizeIs(0x1A));
  EXPECT_THAT(structures[1].formatted, SizeIs(0x1B));
  EXPECT_THAT(structures[2].formatted, SizeIs(5));
  EXPECT_THAT(structures[3].formatted, SizeIs(4));
}

TEST(SmbiosTest, HandlesAreUnique) {
  const std::vector<Structure> structures = Walk(Encode({.oem_strings = {"a"}}));

  for (size_t i = 0; i < structures.size(); ++i) EXPECT_EQ(structures[i].handle, i);
}

TEST(SmbiosTest, GivenStringsAreThere) {
  const std::vector<Structure> structures = Walk(Encode({.bios_vendor = "Vendor",
                                                         .bios_version = "1.2",
                                                         .manufacturer = "Maker",
                                                         .product_name = "Product",
                                                         .serial_number = "S/N 7"}));

  EXPECT_EQ(StringAt(structures[0], 0x04), "Vendor");
  EXPECT_EQ(StringAt(structures[0], 0x05), "1.2");
  EXPECT_EQ(StringAt(structures[1], 0x04), "Maker");
  EXPECT_EQ(StringAt(structures[1], 0x05), "Product");
  EXPECT_EQ(StringAt(structures[1], 0x07), "S/N 7");
}

TEST(SmbiosTest, StructureWithoutAnyStringEndsInTwoZeros) {
  const std::vector<Structure> structures =
      Walk(Encode({.bios_vendor = "", .bios_version = "", .manufacturer = "", .product_name = ""}));

  ASSERT_THAT(structures, SizeIs(3));
  EXPECT_THAT(structures[0].strings, IsEmpty());
  EXPECT_THAT(structures[1].strings, IsEmpty());
  EXPECT_EQ(structures[2].type, 127);
}

// DSP0134, 7.2.1: the example of the specification.
TEST(SmbiosTest, UuidHasItsFirstThreeFieldsLittleEndian) {
  SmbiosContent config;
  config.uuid = {0x00, 0x11, 0x22, 0x33, 0x44, 0x55, 0x66, 0x77,
                 0x88, 0x99, 0xAA, 0xBB, 0xCC, 0xDD, 0xEE, 0xFF};

  const Structure system = Walk(Encode(config))[1];

  EXPECT_THAT(Bytes(system.formatted.begin() + 8, system.formatted.begin() + 24),
              ElementsAre(0x33, 0x22, 0x11, 0x00, 0x55, 0x44, 0x77, 0x66, 0x88, 0x99, 0xAA, 0xBB,
                          0xCC, 0xDD, 0xEE, 0xFF));
}

TEST(SmbiosTest, OemStringsAreInTheirOrder) {
  const Structure oem = Walk(Encode({.oem_strings = {"first", "second", "third"}}))[2];

  EXPECT_EQ(oem.type, 11);
  EXPECT_EQ(oem.formatted[4], 3);
  EXPECT_THAT(oem.strings, ElementsAre("first", "second", "third"));
}

TEST(SmbiosTest, AsManyOemStringsAsAByteCounts) {
  const SmbiosContent config = {.oem_strings = std::vector<std::string>(kMostOemStrings, "x")};

  const Structure oem = Walk(Encode(config))[2];

  EXPECT_EQ(oem.formatted[4], 255);
  EXPECT_THAT(oem.strings, SizeIs(255));
}

TEST(SmbiosTest, MoreThanTheAreaHoldsIsAnError) {
  const SmbiosContent config = {.oem_strings = {std::string(kSmbiosAreaSize, 'x')}};

  const absl::Status status = EncodeSmbiosTables(config, kArea).status();

  EXPECT_EQ(status.code(), absl::StatusCode::kResourceExhausted);
  EXPECT_THAT(std::string(status.message()), HasSubstr("there are 65536 for them"));
}

// DSP0134 3.2, 5.2.1.
TEST(SmbiosTest, FilesAreAnEntryPointAndExactlyTheStructures) {
  const SmbiosContent config = {.manufacturer = "Maker", .oem_strings = {std::string(300, 'x')}};
  const Bytes area = Encode(config);

  const SmbiosFiles files = EncodeSmbiosFiles(config).value();

  const absl::Span<const uint8_t> anchor = files.anchor;
  const auto field = [&](size_t at, size_t size) { return LoadLe(anchor.subspan(at, size)); };
  const auto sum = [&](size_t from) {
    return std::accumulate(anchor.begin() + static_cast<ptrdiff_t>(from), anchor.end(), 0u) & 0xFF;
  };
  ASSERT_EQ(anchor.size(), 31u);
  EXPECT_EQ(std::string(anchor.begin(), anchor.begin() + 4), "_SM_");
  EXPECT_EQ(anchor[5], 31);
  EXPECT_EQ(anchor[6], 2);
  EXPECT_EQ(field(8, 2), 5u + 300 + 2);  // Type 11.
  EXPECT_EQ(std::string(anchor.begin() + 16, anchor.begin() + 21), "_DMI_");
  EXPECT_EQ(field(22, 2), files.structures.size());
  EXPECT_EQ(field(24, 4), 0u);
  EXPECT_EQ(field(28, 2), Walk(area).size());
  EXPECT_EQ(sum(0), 0u);
  EXPECT_EQ(sum(16), 0u);
  EXPECT_EQ(files.structures,
            Bytes(area.end() - static_cast<ptrdiff_t>(files.structures.size()), area.end()));
  EXPECT_EQ(files.structures[1], 0x1A);  // The length of the first.
  EXPECT_FALSE(EncodeSmbiosFiles({.oem_strings = {std::string(kSmbiosAreaSize, 'x')}}).ok());
}

TEST(SmbiosTest, IsWrittenToGuestMemory) {
  const GuestMemory memory = GuestMemory::Create({{GuestAddress{0}, 0x100000}}, {}).value();

  ASSERT_TRUE(WriteSmbiosTables({}, memory, kArea).ok());

  Bytes written(Encode({}).size());
  ASSERT_TRUE(memory.Read(kArea, absl::MakeSpan(written)).ok());
  EXPECT_EQ(written, Encode({}));
}

TEST(SmbiosTest, MemoryThatIsNotThereIsAnError) {
  const GuestMemory memory = GuestMemory::Create({{GuestAddress{0}, 0x1000}}, {}).value();

  EXPECT_EQ(WriteSmbiosTables({}, memory, kArea).code(), absl::StatusCode::kOutOfRange);
}

}  // namespace
}  // namespace touchstone
