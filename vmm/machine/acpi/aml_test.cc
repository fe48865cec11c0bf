#include "vmm/machine/acpi/aml.h"

#include <cstdint>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace touchstone {
namespace {

using ::testing::ElementsAre;
using ::testing::ElementsAreArray;

using Bytes = std::vector<uint8_t>;

// Name bytes and the like, for expectations.
Bytes Text(const std::string& text) { return Bytes(text.begin(), text.end()); }

TEST(PackageLengthTest, OneByteUpTo63) {
  EXPECT_THAT(EncodePackageLength(0), ElementsAre(1));
  EXPECT_THAT(EncodePackageLength(62), ElementsAre(63));
}

TEST(PackageLengthTest, TwoBytesUpTo4095) {
  EXPECT_THAT(EncodePackageLength(63), ElementsAre(0x41, 0x04));    // 65
  EXPECT_THAT(EncodePackageLength(4093), ElementsAre(0x4F, 0xFF));  // 4095
}

TEST(PackageLengthTest, ThreeBytesUpTo1MiB) {
  EXPECT_THAT(EncodePackageLength(4094), ElementsAre(0x81, 0x00, 0x01));  // 4097
  EXPECT_THAT(EncodePackageLength((1 << 20) - 4), ElementsAre(0x8F, 0xFF, 0xFF));
}

TEST(PackageLengthTest, FourBytesUpTo256MiB) {
  EXPECT_THAT(EncodePackageLength((1 << 20) - 3), ElementsAre(0xC1, 0x00, 0x00, 0x01));
  EXPECT_THAT(EncodePackageLength((1 << 28) - 5), ElementsAre(0xCF, 0xFF, 0xFF, 0xFF));
}

TEST(PackageLengthDeathTest, MoreDoesNotFit) {
  EXPECT_DEATH(EncodePackageLength((1 << 28) - 4), "CHECK|Check|false");
}

TEST(AmlTest, IntegersTakeTheShortestForm) {
  EXPECT_THAT(Aml::Integer(0).bytes(), ElementsAre(0x00));
  EXPECT_THAT(Aml::Integer(1).bytes(), ElementsAre(0x01));
  EXPECT_THAT(Aml::Integer(0xFF).bytes(), ElementsAre(0x0A, 0xFF));
  EXPECT_THAT(Aml::Integer(0x100).bytes(), ElementsAre(0x0B, 0x00, 0x01));
  EXPECT_THAT(Aml::Integer(0xFFFF).bytes(), ElementsAre(0x0B, 0xFF, 0xFF));
  EXPECT_THAT(Aml::Integer(0x10000).bytes(), ElementsAre(0x0C, 0, 0, 1, 0));
  EXPECT_THAT(Aml::Integer(0xFFFFFFFF).bytes(), ElementsAre(0x0C, 0xFF, 0xFF, 0xFF, 0xFF));
  EXPECT_THAT(Aml::Integer(uint64_t{1} << 32).bytes(), ElementsAre(0x0E, 0, 0, 0, 0, 1, 0, 0, 0));
}

TEST(AmlTest, PathsArePaddedAndPrefixed) {
  EXPECT_THAT(Aml::Path("A").bytes(), ElementsAreArray(Text("A___")));
  EXPECT_THAT(Aml::Path("\\_SB").bytes(), ElementsAreArray(Text("\\_SB_")));
  EXPECT_THAT(Aml::Path("^^AB1").bytes(), ElementsAreArray(Text("^^AB1_")));
  EXPECT_THAT(Aml::Path("\\_SB.PC00").bytes(), ElementsAreArray(Text("\\\x2E_SB_PC00")));
  EXPECT_THAT(Aml::Path("A.B.C").bytes(), ElementsAreArray(Text("\x2F\x03"
                                                                "A___B___C___")));
}

TEST(AmlDeathTest, MalformedPathsAreMistakes) {
  EXPECT_DEATH(Aml::Path(""), "segment");
  EXPECT_DEATH(Aml::Path("TOOLONG"), "segment");
  EXPECT_DEATH(Aml::Path("1ABC"), "segment");
  EXPECT_DEATH(Aml::Path("abcd"), "ascii");
  EXPECT_DEATH(Aml::Path("A..B"), "segment");
}

TEST(AmlTest, EisaIdsAreCompressed) {
  EXPECT_THAT(Aml::EisaId("PNP0A08").bytes(), ElementsAre(0x0C, 0x41, 0xD0, 0x0A, 0x08));
  EXPECT_THAT(Aml::EisaId("PNP0C02").bytes(), ElementsAre(0x0C, 0x41, 0xD0, 0x0C, 0x02));
}

TEST(AmlTest, UuidsAreMixedEndian) {
  EXPECT_THAT(Aml::Uuid("33DB4D5B-1FF7-401C-9657-7441C03DD766").bytes(),
              ElementsAre(0x11, 0x13, 0x0A, 0x10,                          // buffer of 16
                          0x5B, 0x4D, 0xDB, 0x33, 0xF7, 0x1F, 0x1C, 0x40,  //
                          0x96, 0x57, 0x74, 0x41, 0xC0, 0x3D, 0xD7, 0x66));
}

TEST(AmlTest, DataObjects) {
  EXPECT_THAT(Aml::String("AC").bytes(), ElementsAre(0x0D, 'A', 'C', 0));
  EXPECT_THAT(Aml::Buffer({7, 8}).bytes(), ElementsAre(0x11, 5, 0x0A, 2, 7, 8));
  EXPECT_THAT(Aml::Package({Aml::Integer(5), Aml::Integer(0)}).bytes(),
              ElementsAre(0x12, 5, 2, 0x0A, 5, 0));
}

TEST(AmlTest, NamedObjects) {
  EXPECT_THAT(Aml::Name("_UID", Aml::Integer(1)).bytes(),
              ElementsAre(0x08, '_', 'U', 'I', 'D', 0x01));
  EXPECT_THAT(Aml::Scope("\\_SB", {}).bytes(), ElementsAre(0x10, 6, '\\', '_', 'S', 'B', '_'));
  EXPECT_THAT(Aml::Device("COM1", {Aml::Raw({0xAB})}).bytes(),
              ElementsAre(0x5B, 0x82, 6, 'C', 'O', 'M', '1', 0xAB));
  EXPECT_THAT(Aml::Method("M", 2, {Aml::Return(Aml::Arg(1))}).bytes(),
              ElementsAre(0x14, 8, 'M', '_', '_', '_', 2, 0xA4, 0x69));
  EXPECT_THAT(Aml::PortRegion("R", 0x610, 1).bytes(),
              ElementsAre(0x5B, 0x80, 'R', '_', '_', '_', 1, 0x0B, 0x10, 0x06, 0x01));
  EXPECT_THAT(Aml::ByteField("R", "F").bytes(),
              ElementsAre(0x5B, 0x81, 11, 'R', '_', '_', '_', 1, 'F', '_', '_', '_', 8));
  EXPECT_THAT(Aml::CreateDWordField(Aml::Arg(3), 8, "CDW3").bytes(),
              ElementsAre(0x8A, 0x6B, 0x0A, 8, 'C', 'D', 'W', '3'));
}

TEST(AmlTest, Expressions) {
  const Aml a = Aml::Arg(0), b = Aml::Local(7);

  EXPECT_THAT(Aml::Store(a, b).bytes(), ElementsAre(0x70, 0x68, 0x67));
  EXPECT_THAT(Aml::And(a, b, b).bytes(), ElementsAre(0x7B, 0x68, 0x67, 0x67));
  EXPECT_THAT(Aml::Or(a, b, b).bytes(), ElementsAre(0x7D, 0x68, 0x67, 0x67));
  EXPECT_THAT(Aml::Equal(a, b).bytes(), ElementsAre(0x93, 0x68, 0x67));
  EXPECT_THAT(Aml::NotEqual(a, b).bytes(), ElementsAre(0x92, 0x93, 0x68, 0x67));
  EXPECT_THAT(Aml::If(a, {Aml::Return(b)}).bytes(), ElementsAre(0xA0, 4, 0x68, 0xA4, 0x67));
  EXPECT_THAT(Aml::Else({Aml::Return(b)}).bytes(), ElementsAre(0xA1, 3, 0xA4, 0x67));
}

}  // namespace
}  // namespace touchstone
