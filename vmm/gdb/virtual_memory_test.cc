#include "vmm/gdb/virtual_memory.h"

#include <numeric>
#include <vector>

#include "base/endian.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace touchstone {
namespace {

using testing::Each;
using testing::ElementsAre;

constexpr uint64_t kLongMode = 1 << 10;
constexpr uint64_t kPaging = uint64_t{1} << 31;
constexpr uint64_t kPresent = 1;
constexpr uint64_t kLarge = 1 << 7;

class VirtualMemoryTest : public testing::Test {
 protected:
  void Entry(uint64_t table, uint64_t index, uint64_t value) {
    ASSERT_TRUE(memory_.WriteObject(GuestAddress{table + index * 8}, Le64(value)).ok());
  }
  void Entry32(uint64_t table, uint64_t index, uint32_t value) {
    ASSERT_TRUE(memory_.WriteObject(GuestAddress{table + index * 4}, Le32(value)).ok());
  }
  // Raw, and UINT64_MAX for what is not mapped.
  uint64_t Translate(uint64_t address) {
    const std::optional<GuestPhysical> place = TranslateVirtual(memory_, registers_, address);
    return place.has_value() ? Raw(place->address) : UINT64_MAX;
  }

  const GuestMemory memory_ = GuestMemory::Create({{{GuestAddress{0}, 0x20000}}}, {}).value();
  SpecialRegisters registers_;
};

TEST_F(VirtualMemoryTest, WithoutPagingAddressesArePhysical) {
  EXPECT_EQ(Translate(0x1234), 0x1234u);
  EXPECT_EQ(Translate(0x1'0000'1234), 0x1234u);
}

class LongModeTest : public VirtualMemoryTest {
 protected:
  LongModeTest() {
    registers_.cr0 = kPaging;
    registers_.cr4 = 1 << 5;
    registers_.efer = kLongMode;
    registers_.cr3 = 0x1000;
  }
};

TEST_F(LongModeTest, FourLevels) {
  // 0xFFFFFFFF81000000 is entries 511, 510, 8, 0.
  Entry(0x1000, 511, 0x2000 | kPresent);
  Entry(0x2000, 510, 0x3000 | kPresent);
  Entry(0x3000, 8, 0x4000 | kPresent);
  Entry(0x4000, 0, 0x9000 | kPresent | uint64_t{1} << 63);

  EXPECT_EQ(Translate(0xFFFF'FFFF'8100'0123), 0x9123u);
  EXPECT_EQ(Translate(0xFFFF'FFFF'8100'1123), UINT64_MAX);
  EXPECT_EQ(Translate(0x0000'FFFF'8100'0123), UINT64_MAX);  // Not canonical.
}

TEST_F(LongModeTest, LargePages) {
  Entry(0x1000, 0, 0x2000 | kPresent);
  Entry(0x2000, 1, 0x4000'0000 | kPresent | kLarge);
  Entry(0x2000, 2, 0x3000 | kPresent);
  Entry(0x3000, 3, 0x60'0000 | kPresent | kLarge);

  EXPECT_EQ(Translate(0x4123'4567), 0x4123'4567u);
  EXPECT_EQ(Translate(0x8060'0000 + 0x12345), 0x61'2345u);
  EXPECT_EQ(TranslateVirtual(memory_, registers_, 0x8060'0000 + 0x1F'FFFF)->contiguous, 1u);
}

TEST_F(LongModeTest, FiveLevels) {
  registers_.cr4 |= 1 << 12;
  Entry(0x1000, 1, 0x2000 | kPresent);
  Entry(0x2000, 0, 0x3000 | kPresent);
  Entry(0x3000, 0, 0x4000 | kPresent);
  Entry(0x4000, 0, 0x5000 | kPresent);
  Entry(0x5000, 7, 0x9000 | kPresent);

  EXPECT_EQ(Translate((uint64_t{1} << 48) + 0x7042), 0x9042u);
  EXPECT_EQ(Translate(uint64_t{1} << 57), UINT64_MAX);
}

TEST_F(LongModeTest, TablesOutsideMemoryMapNothing) {
  Entry(0x1000, 0, 0x7FFF'F000 | kPresent);

  EXPECT_EQ(Translate(0), UINT64_MAX);
  registers_.cr3 = kPresent << 40;
  EXPECT_EQ(Translate(0), UINT64_MAX);
}

TEST_F(VirtualMemoryTest, PaeHasThreeLevels) {
  registers_.cr0 = kPaging;
  registers_.cr4 = 1 << 5;
  registers_.cr3 = 0x1020;
  Entry(0x1020, 3, 0x2000 | kPresent);
  Entry(0x2000, 0, 0x3000 | kPresent);
  Entry(0x2000, 1, 0x1'0020'0000 | kPresent | kLarge);
  Entry(0x3000, 5, 0x9000 | kPresent);

  EXPECT_EQ(Translate(0xC000'5008), 0x9008u);
  EXPECT_EQ(Translate(0xC020'0010), 0x1'0020'0010u);
  EXPECT_EQ(Translate(0x4000'0000), UINT64_MAX);
}

TEST_F(VirtualMemoryTest, TwoLevelsOfTheOldest) {
  registers_.cr0 = kPaging;
  registers_.cr4 = 1 << 4;
  registers_.cr3 = 0x1000;
  Entry32(0x1000, 768, 0x2001);
  Entry32(0x2000, 1, 0x9001);
  Entry32(0x1000, 769, 0x0080'0000 | 3 << 13 | kLarge | kPresent);

  EXPECT_EQ(Translate(0xC000'1004), 0x9004u);
  EXPECT_EQ(Translate(0xC040'0004), 0x3'0080'0004u);
  EXPECT_EQ(Translate(0xC000'2000), UINT64_MAX);
  EXPECT_EQ(Translate(0xC080'0000), UINT64_MAX);
}

TEST_F(LongModeTest, AccessesCrossPagesAndEndAtGaps) {
  Entry(0x1000, 0, 0x2000 | kPresent);
  Entry(0x2000, 0, 0x3000 | kPresent);
  Entry(0x3000, 0, 0x4000 | kPresent);
  Entry(0x4000, 0, 0xA000 | kPresent);
  Entry(0x4000, 1, 0x8000 | kPresent);
  std::vector<uint8_t> data(16);
  std::iota(data.begin(), data.end(), 1);

  EXPECT_EQ(WriteVirtual(memory_, registers_, 0xFF8, data), 16u);
  std::vector<uint8_t> read(16);
  EXPECT_EQ(ReadVirtual(memory_, registers_, 0xFF8, absl::MakeSpan(read)), 16u);
  EXPECT_EQ(read, data);
  uint8_t second_page[2];
  ASSERT_TRUE(memory_.Read(GuestAddress{0x8000}, absl::MakeSpan(second_page)).ok());
  EXPECT_THAT(second_page, ElementsAre(9, 10));

  std::vector<uint8_t> end(16);
  EXPECT_EQ(ReadVirtual(memory_, registers_, 0x1FFC, absl::MakeSpan(end)), 4u);
  EXPECT_THAT(absl::MakeSpan(end).subspan(4), Each(0));
}

}  // namespace
}  // namespace touchstone
