#include "bench/peers/paired_ratio.h"

#include "gtest/gtest.h"

namespace touchstone {
namespace {

TEST(PairedRatioTest, TheMedianOfAnEvenNumberIsBetweenTheTwo) {
  EXPECT_DOUBLE_EQ(MedianOf({4, 1, 3}), 3);
  EXPECT_DOUBLE_EQ(MedianOf({4, 1, 3, 2}), 2.5);
}

TEST(PairedRatioTest, PairsThatAgreeLeaveNoDoubt) {
  const PairedRatio ratio = RatioOf({2, 20, 200}, {1, 10, 100});

  EXPECT_DOUBLE_EQ(ratio.median, 2);
  EXPECT_DOUBLE_EQ(ratio.low, 2);
  EXPECT_DOUBLE_EQ(ratio.high, 2);
}

TEST(PairedRatioTest, TheIntervalIsAroundTheMedianAndWithinThePairs) {
  const PairedRatio ratio =
      RatioOf({10, 11, 12, 9, 8, 10, 13, 10, 7, 10}, std::vector<double>(10, 10));

  EXPECT_DOUBLE_EQ(ratio.median, 1);
  EXPECT_GE(ratio.low, 0.7);
  EXPECT_LT(ratio.low, 1);
  EXPECT_GT(ratio.high, 1);
  EXPECT_LE(ratio.high, 1.3);
}

}  // namespace
}  // namespace touchstone
