#include "vmm/snapshot/container.h"

#include <string>

#include "absl/strings/str_cat.h"
#include "base/crc32c.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace touchstone {
namespace {

using ::testing::HasSubstr;

const SnapshotSections& Sample() {
  static const auto& sample = *new SnapshotSections{
      .machine = "state of the machine", .memory_map = absl::StrCat("map", std::string(3, '\0'))};
  return sample;
}

std::string ErrorOf(const std::string& bytes) {
  const absl::StatusOr<SnapshotSections> sections = DecodeContainer(bytes);
  return sections.ok() ? "" : std::string(sections.status().message());
}

// With the header's checksum made right again.
std::string WithHeaderByte(size_t at, char value) {
  std::string bytes = EncodeContainer(Sample());
  bytes[at] = value;
  const uint32_t crc = Crc32c({reinterpret_cast<const uint8_t*>(bytes.data()), 24});
  for (int i = 0; i < 4; ++i) bytes[24 + i] = static_cast<char>(crc >> (8 * i));
  return bytes;
}

TEST(ContainerTest, ComesBackAsItWas) {
  for (const SnapshotSections& sections :
       {Sample(), SnapshotSections{}, SnapshotSections{.machine = std::string(100000, 'x')}}) {
    const absl::StatusOr<SnapshotSections> decoded = DecodeContainer(EncodeContainer(sections));
    ASSERT_TRUE(decoded.ok()) << decoded.status();
    EXPECT_EQ(*decoded, sections);
  }
}

// What is written today is what was written then.
TEST(ContainerTest, BytesOfVersion1) {
  const std::string bytes = EncodeContainer({.machine = "M", .memory_map = ""});

  EXPECT_EQ(bytes.substr(0, 24),
            std::string("TSSNAP\r\n\x01\0\0\0\x02\0\0\0\x45\0\0\0\0\0\0\0", 24));
  EXPECT_EQ(bytes.substr(28, 4), std::string("\x01\0\0\0", 4));
  EXPECT_EQ(bytes.substr(36, 8), std::string("\x01\0\0\0\0\0\0\0", 8));
  EXPECT_EQ(bytes[48], 'M');
  EXPECT_EQ(bytes.size(), 0x45u);
}

TEST(ContainerTest, CutShortAnywhereIsAnError) {
  const std::string whole = EncodeContainer(Sample());
  for (size_t size = 0; size < whole.size(); ++size) {
    EXPECT_THAT(ErrorOf(whole.substr(0, size)), HasSubstr("is no whole snapshot")) << size;
  }
}

TEST(ContainerTest, AnyFlippedBitIsAnError) {
  const std::string whole = EncodeContainer(Sample());
  for (size_t bit = 0; bit < 8 * whole.size(); ++bit) {
    std::string flipped = whole;
    flipped[bit / 8] = static_cast<char>(flipped[bit / 8] ^ (1 << (bit % 8)));
    EXPECT_THAT(ErrorOf(flipped), HasSubstr("is no whole snapshot")) << bit;
  }
}

TEST(ContainerTest, BytesBehindTheEndAreAnError) {
  EXPECT_THAT(ErrorOf(EncodeContainer(Sample()) + "x"), HasSubstr("and should have"));
}

TEST(ContainerTest, AnotherVersionIsNamed) {
  EXPECT_EQ(ErrorOf(WithHeaderByte(8, 2)), "is a snapshot of version 2; this program reads 1");
  EXPECT_THAT(ErrorOf(WithHeaderByte(12, 3)), HasSubstr("it has 3 sections"));
}

TEST(ContainerTest, OtherFilesAreNotMistaken) {
  EXPECT_THAT(ErrorOf(std::string(4096, '\0')), HasSubstr("does not begin as one"));
  EXPECT_THAT(ErrorOf("#!/bin/sh"), HasSubstr("is no whole snapshot"));
}

}  // namespace
}  // namespace touchstone
