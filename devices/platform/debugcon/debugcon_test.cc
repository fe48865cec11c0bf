#include "devices/platform/debugcon/debugcon.h"

#include <vector>

#include "devices/platform/serial/serial_testing.h"
#include "gtest/gtest.h"

namespace touchstone {
namespace {

TEST(DebugconTest, ReadsItsSignature) {
  FakeOutput output;
  Debugcon debugcon(output);
  uint8_t value = 0xff;
  debugcon.Read(0, absl::MakeSpan(&value, 1));
  EXPECT_EQ(value, Debugcon::kSignature);
}

TEST(DebugconTest, WritesAreOutput) {
  FakeOutput output;
  Debugcon debugcon(output);
  for (const uint8_t byte : {'f', 'w', '\n'}) debugcon.Write(0, absl::MakeConstSpan(&byte, 1));
  EXPECT_EQ(output.text(), "fw\n");
}

TEST(DebugconTest, OtherWidthsAndOffsetsDoNothing) {
  FakeOutput output;
  Debugcon debugcon(output);
  for (uint64_t offset = 0; offset < 3; ++offset) {
    for (size_t width = offset == 0 ? 2 : 1; width <= 8; ++width) {
      debugcon.Write(offset, std::vector<uint8_t>(width, 'x'));
      std::vector<uint8_t> data(width, 0xff);
      debugcon.Read(offset, absl::MakeSpan(data));
      EXPECT_EQ(data, std::vector<uint8_t>(width, 0xff));
    }
  }
  EXPECT_EQ(output.text(), "");
}

TEST(DebugconTest, FullOutputLosesBytesOnly) {
  FakeOutput output;
  output.SetCapacity(2);
  Debugcon debugcon(output);
  for (const uint8_t byte : {'a', 'b', 'c'}) debugcon.Write(0, absl::MakeConstSpan(&byte, 1));
  EXPECT_EQ(output.text(), "ab");
  EXPECT_EQ(output.dropped(), 1);
}

}  // namespace
}  // namespace touchstone
