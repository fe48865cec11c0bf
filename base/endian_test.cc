#include "base/endian.h"

#include <array>
#include <cstdint>
#include <cstring>
#include <type_traits>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace touchstone {
namespace {

using ::testing::ElementsAre;

template <typename T>
std::array<uint8_t, sizeof(T)> BytesOf(const T& value) {
  std::array<uint8_t, sizeof(T)> bytes;
  memcpy(bytes.data(), &value, sizeof(T));
  return bytes;
}

struct Mixed {
  uint8_t first;
  Le64 second;
  Be16 third;
};
static_assert(sizeof(Mixed) == 11 && alignof(Mixed) == 1);
static_assert(std::is_trivially_copyable_v<Mixed>);
static_assert(Le32(0x12345678).get() == 0x12345678);
static_assert(Be32(0x12345678).get() == 0x12345678);

TEST(EndianTest, LittleEndianHasTheLowByteFirst) {
  EXPECT_THAT(BytesOf(Le16(0x1234)), ElementsAre(0x34, 0x12));
  EXPECT_THAT(BytesOf(Le32(0x12345678)), ElementsAre(0x78, 0x56, 0x34, 0x12));
  EXPECT_THAT(BytesOf(Le64(0x0102030405060708)), ElementsAre(8, 7, 6, 5, 4, 3, 2, 1));
}

TEST(EndianTest, BigEndianHasTheHighByteFirst) {
  EXPECT_THAT(BytesOf(Be16(0x1234)), ElementsAre(0x12, 0x34));
  EXPECT_THAT(BytesOf(Be32(0x12345678)), ElementsAre(0x12, 0x34, 0x56, 0x78));
  EXPECT_THAT(BytesOf(Be64(0x0102030405060708)), ElementsAre(1, 2, 3, 4, 5, 6, 7, 8));
}

TEST(EndianTest, StandsInForPlainIntegers) {
  Le32 value = 5;
  value = value + 1;

  EXPECT_EQ(value, 6u);
  EXPECT_EQ(Le16().get(), 0);
  EXPECT_EQ(BytesOf(Mixed{.first = 1, .second = 2, .third = 3})[10], 3);
}

TEST(EndianTest, LoadLeTakesUpToEightBytes) {
  const std::vector<uint8_t> bytes = {1, 2, 3, 4, 5, 6, 7, 8, 9};

  EXPECT_EQ(LoadLe({}), 0u);
  EXPECT_EQ(LoadLe(absl::MakeConstSpan(bytes).first(3)), 0x030201u);
  EXPECT_EQ(LoadLe(bytes), 0x0807060504030201u);
}

TEST(EndianTest, StoreLeCutsOrFillsWithZeros) {
  std::vector<uint8_t> small(2, 0xff);
  std::vector<uint8_t> large(10, 0xff);

  StoreLe(0x030201, absl::MakeSpan(small));
  StoreLe(UINT64_MAX, absl::MakeSpan(large));
  StoreLe(1, {});

  EXPECT_THAT(small, ElementsAre(1, 2));
  EXPECT_THAT(large, ElementsAre(255, 255, 255, 255, 255, 255, 255, 255, 0, 0));
}

}  // namespace
}  // namespace touchstone
