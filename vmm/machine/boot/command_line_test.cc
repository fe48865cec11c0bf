#include "vmm/machine/boot/command_line.h"

#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "vmm/machine/boot/boot_testing.h"

namespace touchstone {
namespace {

using ::testing::Each;
using ::testing::HasSubstr;

std::string CheckError(absl::string_view line, uint32_t limit = kLongestCommandLine) {
  return std::string(CheckCommandLine(line, limit).message());
}

TEST(CommandLineTest, PrintableAsciiIsAccepted) {
  std::string all;
  for (char c = 0x20; c <= 0x7E; ++c) all.push_back(c);

  EXPECT_EQ(CheckError(all), "");
  EXPECT_EQ(CheckError(""), "");
}

TEST(CommandLineTest, OtherBytesAreNamedWithTheirPlace) {
  EXPECT_EQ(CheckError("ab\nc"),
            "--params: byte 0x0a at 2 of the kernel command line is not printable ASCII");
  EXPECT_THAT(CheckError(absl::string_view("a\0b", 3)), HasSubstr("byte 0x00 at 1"));
  EXPECT_THAT(CheckError("\x7F"), HasSubstr("byte 0x7f at 0"));
  EXPECT_THAT(CheckError("\xC3\xA4"), HasSubstr("byte 0xc3 at 0"));
}

TEST(CommandLineTest, LengthIsLimitedByTheArea) {
  EXPECT_EQ(CheckError(std::string(2047, 'x')), "");
  EXPECT_EQ(CheckError(std::string(2048, 'x')),
            "--params: the kernel command line has 2048 bytes; the most is 2047");
  EXPECT_THAT(CheckError(std::string(2048, 'x'), 1 << 20), HasSubstr("the most is 2047"));
}

TEST(CommandLineTest, LengthIsLimitedByTheKernel) {
  EXPECT_EQ(CheckError(std::string(255, 'x'), 255), "");
  EXPECT_THAT(CheckError(std::string(256, 'x'), 255), HasSubstr("the most is 255"));
}

TEST(CommandLineTest, WritesTheLineAndItsNul) {
  const GuestMemory memory = MakeMemory(MakeLayout(2 * kMiB));
  ASSERT_TRUE(memory.Fill(kCommandLineAddress, 2048, 0xFF).ok());

  const absl::Status status = WriteCommandLine(memory, "quiet", 2047);

  ASSERT_TRUE(status.ok()) << status;
  EXPECT_EQ(ReadBytes(memory, kCommandLineAddress, 7),
            (std::vector<uint8_t>{'q', 'u', 'i', 'e', 't', 0, 0xFF}));
}

TEST(CommandLineTest, LongestLineEndsBeforeTheSetupData) {
  const GuestMemory memory = MakeMemory(MakeLayout(2 * kMiB));
  ASSERT_TRUE(memory.Fill(kCommandLineAddress, 4096, 0xFF).ok());

  const absl::Status status = WriteCommandLine(memory, std::string(2047, 'x'), 2047);

  ASSERT_TRUE(status.ok()) << status;
  EXPECT_EQ(ReadBytes(memory, kSetupDataAddress + 0, 1), std::vector<uint8_t>{0xFF});
  EXPECT_EQ(ReadBytes(memory, GuestAddress{0x207FF}, 1), std::vector<uint8_t>{0});
}

TEST(CommandLineTest, BadLineWritesNothing) {
  const GuestMemory memory = MakeMemory(MakeLayout(2 * kMiB));

  EXPECT_FALSE(WriteCommandLine(memory, "abc\n", 2047).ok());
  EXPECT_THAT(ReadBytes(memory, kCommandLineAddress, 16), Each(0));
}

}  // namespace
}  // namespace touchstone
