#include "vmm/machine/boot/rom.h"

#include <fcntl.h>

#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "vmm/machine/boot/boot_testing.h"

namespace touchstone {
namespace {

using ::testing::Each;

// Each page is filled with its number.
std::vector<uint8_t> NumberedPages(size_t count) {
  std::vector<uint8_t> bytes(count * kGuestPageSize);
  for (size_t i = 0; i < bytes.size(); ++i) bytes[i] = static_cast<uint8_t>(i / kGuestPageSize);
  return bytes;
}

absl::StatusOr<GuestMemory> Load(const std::vector<uint8_t>& content) {
  const ScopedFd file = MakeFile(content);
  return LoadRom({file.get(), "the.rom"});
}

TEST(RomTest, EndsAtFourGiB) {
  const std::vector<uint8_t> content = NumberedPages(3);

  const absl::StatusOr<GuestMemory> rom = Load(content);

  ASSERT_TRUE(rom.ok()) << rom.status();
  EXPECT_EQ(rom->total_size(), content.size());
  EXPECT_EQ(ReadBytes(*rom, GuestAddress{0xFFFFD000}, content.size()), content);
}

TEST(RomTest, MayHave16MiB) {
  const absl::StatusOr<GuestMemory> rom = Load(std::vector<uint8_t>(kLargestRom));

  ASSERT_TRUE(rom.ok()) << rom.status();
  EXPECT_EQ(rom->regions()[0].start, GuestAddress{0xFF000000});
}

struct BadRom {
  std::string name;
  uint64_t size;
  std::string error;
};

class BadRomTest : public testing::TestWithParam<BadRom> {};

TEST_P(BadRomTest, IsRefusedWithFileAndReason) {
  const absl::StatusOr<GuestMemory> rom = Load(std::vector<uint8_t>(GetParam().size));

  EXPECT_EQ(rom.status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(rom.status().message(), GetParam().error);
}

INSTANTIATE_TEST_SUITE_P(
    Sizes, BadRomTest,
    testing::Values(
        BadRom{"Empty", 0, "--bios: the.rom is empty"},
        BadRom{"OneByte", 1, "--bios: the.rom has 1 bytes: a ROM is a multiple of 4096"},
        BadRom{"PageAndByte", 4097, "--bios: the.rom has 4097 bytes: a ROM is a multiple of 4096"},
        BadRom{"TooLarge", kLargestRom + 4096,
               "--bios: the.rom has 16781312 bytes: there is room for 16777216 below 4 GiB"}),
    [](const auto& info) { return info.param.name; });

TEST(RomTest, ADirectoryIsRefused) {
  const absl::StatusOr<ScopedFd> folder = OpenFile("/", O_RDONLY);
  ASSERT_TRUE(folder.ok());

  const absl::StatusOr<GuestMemory> rom = LoadRom({folder->get(), "/"});

  EXPECT_EQ(rom.status().message(), "--bios: / is a directory");
}

TEST(RomTest, TheLast128KiBAreBelowOneMiB) {
  const GuestMemory memory = MakeMemory(MakeLayout(4 * kMiB));
  const absl::StatusOr<GuestMemory> rom = Load(NumberedPages(64));
  ASSERT_TRUE(rom.ok()) << rom.status();

  ASSERT_TRUE(ShadowRom(*rom, memory).ok());

  EXPECT_THAT(ReadBytes(memory, GuestAddress{0xDF000}, kGuestPageSize), Each(0));
  EXPECT_THAT(ReadBytes(memory, GuestAddress{0xE0000}, kGuestPageSize), Each(32));
  EXPECT_THAT(ReadBytes(memory, GuestAddress{0xFF000}, kGuestPageSize), Each(63));
  EXPECT_THAT(ReadBytes(memory, GuestAddress{0x100000}, kGuestPageSize), Each(0));
}

TEST(RomTest, ASmallRomLeavesTheRestBelowOneMiBAlone) {
  const GuestMemory memory = MakeMemory(MakeLayout(4 * kMiB));
  ASSERT_TRUE(memory.Fill(kAcpiTablesAddress, 128 << 10, 0x55).ok());
  const absl::StatusOr<GuestMemory> rom = Load(std::vector<uint8_t>(kGuestPageSize, 7));
  ASSERT_TRUE(rom.ok()) << rom.status();

  ASSERT_TRUE(ShadowRom(*rom, memory).ok());

  EXPECT_THAT(ReadBytes(memory, GuestAddress{0xFE000}, kGuestPageSize), Each(0x55));
  EXPECT_THAT(ReadBytes(memory, GuestAddress{0xFF000}, kGuestPageSize), Each(7));
}

// Intel SDM volume 3, table 9-1.
TEST(ResetVectorTest, IsInRealModeSixteenBytesBelowFourGiB) {
  const EntryState state = EnterResetVector();

  EXPECT_EQ(state.special.cs.base + state.general.rip, 0xFFFFFFF0);
  EXPECT_EQ(state.special.cs.selector, 0xF000);
  EXPECT_EQ(state.special.cr0 & 0x80000001, 0u);
  EXPECT_EQ(state.special.efer, 0u);
  EXPECT_EQ(state.special.ds, state.special.ss);
  EXPECT_EQ(state.special.ds.limit, 0xFFFFu);
  EXPECT_EQ(state.special.idt, (DescriptorTable{.base = 0, .limit = 0xFFFF}));
  EXPECT_EQ(state.special.apic_base, 0xFEE00900);
  EXPECT_EQ(state.general.rflags, 2u);
}

}  // namespace
}  // namespace touchstone
