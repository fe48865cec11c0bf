#include "base/bits.h"

#include <cstdint>

#include "gtest/gtest.h"

namespace touchstone {
namespace {

TEST(BitsTest, BitIsOneAtItsPosition) {
  static_assert(Bit(0) == 1);
  EXPECT_EQ(Bit(31), 0x8000'0000u);
  EXPECT_EQ(Bit<uint64_t>(63), 0x8000'0000'0000'0000u);
  EXPECT_EQ(Bit<uint8_t>(7), 0x80);
}

TEST(BitsTest, MaskCoversBothEnds) {
  static_assert(Mask(0, 0) == 1);
  EXPECT_EQ(Mask(7, 4), 0xf0u);
  EXPECT_EQ(Mask(31, 0), 0xffff'ffffu);
  EXPECT_EQ(Mask<uint64_t>(63, 0), UINT64_MAX);
  EXPECT_EQ(Mask<uint64_t>(51, 12), 0x000f'ffff'ffff'f000u);
}

TEST(BitsTest, MaskOfSmallTypesKeepsToItsBits) {
  EXPECT_EQ(Mask<uint8_t>(3, 0), 0x0f);
  EXPECT_EQ(Mask<uint8_t>(7, 7), 0x80);
  EXPECT_EQ(Mask<uint16_t>(10, 8), 0x0700);
}

TEST(BitsTest, FieldComesShiftedDown) {
  static_assert(Field<uint32_t>(0xabcd'1234, 31, 16) == 0xabcd);
  EXPECT_EQ(Field<uint8_t>(0b1011'0110, 5, 4), 0b11);
  EXPECT_EQ(Field<uint16_t>(0xffff, 3, 3), 1);
}

}  // namespace
}  // namespace touchstone
