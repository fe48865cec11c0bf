#include "base/checked_math.h"

#include <cstdint>
#include <optional>

#include "gtest/gtest.h"

namespace touchstone {
namespace {

TEST(CheckedMathTest, AddSaysWhenItOverflows) {
  static_assert(CheckedAdd<uint8_t>(200, 55) == 255);
  static_assert(CheckedAdd<uint8_t>(200, 56) == std::nullopt);
  EXPECT_EQ(CheckedAdd<uint64_t>(UINT64_MAX, 0), UINT64_MAX);
  EXPECT_EQ(CheckedAdd<uint64_t>(UINT64_MAX, 1), std::nullopt);
  EXPECT_EQ(CheckedAdd<int64_t>(INT64_MIN, -1), std::nullopt);
}

TEST(CheckedMathTest, SubSaysWhenItOverflows) {
  EXPECT_EQ(CheckedSub<uint32_t>(5, 5), 0u);
  EXPECT_EQ(CheckedSub<uint32_t>(5, 6), std::nullopt);
  EXPECT_EQ(CheckedSub<int8_t>(-128, 1), std::nullopt);
}

TEST(CheckedMathTest, MulSaysWhenItOverflows) {
  EXPECT_EQ(CheckedMul<uint64_t>(uint64_t{1} << 32, (uint64_t{1} << 32) - 1),
            0xffff'ffff'0000'0000u);
  EXPECT_EQ(CheckedMul<uint64_t>(uint64_t{1} << 32, uint64_t{1} << 32), std::nullopt);
  EXPECT_EQ(CheckedMul<uint16_t>(256, 256), std::nullopt);
}

TEST(CheckedMathTest, AlignDown) {
  EXPECT_EQ(AlignDown<uint64_t>(0x1fff, 0x1000), 0x1000u);
  EXPECT_EQ(AlignDown<uint64_t>(0x1000, 0x1000), 0x1000u);
  EXPECT_EQ(AlignDown<uint8_t>(7, 1), 7);
}

TEST(CheckedMathTest, AlignUpSaysWhenItDoesNotFit) {
  EXPECT_EQ(CheckedAlignUp<uint64_t>(0x1001, 0x1000), 0x2000u);
  EXPECT_EQ(CheckedAlignUp<uint64_t>(0x1000, 0x1000), 0x1000u);
  EXPECT_EQ(CheckedAlignUp<uint64_t>(UINT64_MAX - 0xfff, 0x1000), UINT64_MAX - 0xfff);
  EXPECT_EQ(CheckedAlignUp<uint64_t>(UINT64_MAX - 0xffe, 0x1000), std::nullopt);
  EXPECT_EQ(CheckedAlignUp<uint8_t>(250, 16), std::nullopt);
}

TEST(CheckedMathTest, IsAligned) {
  EXPECT_TRUE(IsAligned<uint32_t>(0x3000, 0x1000));
  EXPECT_FALSE(IsAligned<uint32_t>(0x3001, 0x1000));
  EXPECT_TRUE(IsAligned<uint32_t>(0, 0x1000));
}

TEST(CheckedMathTest, FitsWithinNeverWraps) {
  EXPECT_TRUE(FitsWithin<uint64_t>(0, 10, 10));
  EXPECT_TRUE(FitsWithin<uint64_t>(10, 0, 10));
  EXPECT_FALSE(FitsWithin<uint64_t>(1, 10, 10));
  EXPECT_FALSE(FitsWithin<uint64_t>(11, 0, 10));
  EXPECT_FALSE(FitsWithin<uint64_t>(5, UINT64_MAX, 10));
  EXPECT_TRUE(FitsWithin<uint64_t>(5, UINT64_MAX - 5, UINT64_MAX));
}

}  // namespace
}  // namespace touchstone
