#include "vmm/machine/cpu/tsc.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace touchstone {
namespace {

using ::testing::AllOf;
using ::testing::Ge;
using ::testing::Le;

TEST(TscTest, IsAFrequencyOfAProcessor) {
  EXPECT_THAT(MeasureTscKhz(absl::Milliseconds(20)), AllOf(Ge(100'000u), Le(10'000'000u)));
}

TEST(TscTest, TwoMeasurementsAgree) {
  const double first = MeasureTscKhz(absl::Milliseconds(50));
  const double second = MeasureTscKhz(absl::Milliseconds(50));

  EXPECT_NEAR(second / first, 1, 0.01);
}

}  // namespace
}  // namespace touchstone
