#include "devices/platform/i8042/i8042.h"

#include <vector>

#include "gtest/gtest.h"

namespace touchstone {
namespace {

class I8042Test : public ::testing::TestWithParam<uint16_t> {
 protected:
  uint8_t In(uint16_t port) {
    uint8_t value = 0xff;
    i8042_.Read(port - GetParam(), absl::MakeSpan(&value, 1));
    return value;
  }
  void Out(uint16_t port, uint8_t value) {
    i8042_.Write(port - GetParam(), absl::MakeConstSpan(&value, 1));
  }

  int resets_ = 0;
  I8042 i8042_{GetParam(), 0, [this] { ++resets_; }};
};

TEST_P(I8042Test, PulseResetResets) {
  Out(I8042::kCommandPort, I8042::kPulseReset);
  EXPECT_EQ(resets_, 1);
}

TEST_P(I8042Test, NoOtherByteAtAnyPortResets) {
  for (uint16_t port = GetParam(); port <= I8042::kLastPort; ++port) {
    for (int value = 0; value < 256; ++value) {
      if (port == I8042::kCommandPort && value == I8042::kPulseReset) continue;
      Out(port, static_cast<uint8_t>(value));
    }
  }
  EXPECT_EQ(resets_, 0);
}

TEST_P(I8042Test, StatusIsIdle) { EXPECT_EQ(In(I8042::kCommandPort), 0); }

TEST_P(I8042Test, PortsBetweenReadAllOnes) {
  EXPECT_EQ(In(0x62), 0xff);
  EXPECT_EQ(In(0x63), 0xff);
}

TEST_P(I8042Test, WideAccessesDoNothing) {
  for (uint64_t offset = 0; offset <= 4; ++offset) {
    for (size_t width = 2; width <= 8; ++width) {
      i8042_.Write(offset, std::vector<uint8_t>(width, I8042::kPulseReset));
      std::vector<uint8_t> data(width, 0xff);
      i8042_.Read(offset, absl::MakeSpan(data));
      EXPECT_EQ(data, std::vector<uint8_t>(width, 0xff));
    }
  }
  EXPECT_EQ(resets_, 0);
}

INSTANTIATE_TEST_SUITE_P(Ranges, I8042Test,
                         ::testing::Values(I8042::kDataPort, I8042::kFirstPort,
                                           I8042::kFirstPortBesidePit));

TEST(I8042FirstPortTest, SystemControlPortShowsTimer2High) {
  I8042 i8042(I8042::kFirstPort, 0, [] {});
  uint8_t value = 0xff;
  i8042.Read(0, absl::MakeSpan(&value, 1));
  EXPECT_EQ(value, I8042::kTimer2Output);
}

TEST(I8042StatusTest, StatusIsTheOneGiven) {
  int resets = 0;
  I8042 i8042(I8042::kFirstPort, I8042::kNoAnswer, [&resets] { ++resets; });
  uint8_t value = 0;

  i8042.Read(I8042::kCommandPort - I8042::kFirstPort, absl::MakeSpan(&value, 1));

  EXPECT_EQ(value, I8042::kNoAnswer);
  EXPECT_EQ(resets, 0);
}

}  // namespace
}  // namespace touchstone
