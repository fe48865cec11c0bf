#include "base/append_object.h"

#include <cstdint>
#include <string>
#include <vector>

#include "base/endian.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace touchstone {
namespace {

struct Entry {
  Le16 a;
  Be32 b;
  uint8_t c;
};

TEST(AppendObjectTest, BytesFollowWhatIsThere) {
  std::vector<uint8_t> bytes = {9};

  AppendObject(bytes, Entry{.a = Le16(0x0102), .b = Be32(0x03040506), .c = 7});
  AppendObject(bytes, Le16(0x0A0B));

  EXPECT_THAT(bytes, testing::ElementsAre(9, 2, 1, 3, 4, 5, 6, 7, 0x0B, 0x0A));
}

TEST(AppendObjectTest, StringsTakeZerosToo) {
  std::string text = "x";

  AppendObject(text, Le16('y'));

  EXPECT_EQ(text, std::string("xy\0", 3));
}

}  // namespace
}  // namespace touchstone
