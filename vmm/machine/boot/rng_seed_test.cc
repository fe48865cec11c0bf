#include "vmm/machine/boot/rng_seed.h"

#include "gtest/gtest.h"

namespace touchstone {
namespace {

TEST(RngSeedTest, IsWholeAndNeverTheSame) {
  const auto first = MakeRngSeed();
  const auto second = MakeRngSeed();

  ASSERT_TRUE(first.ok()) << first.status();
  ASSERT_TRUE(second.ok()) << second.status();
  EXPECT_EQ(first->size(), kRngSeedSize);
  EXPECT_NE(*first, *second);
}

}  // namespace
}  // namespace touchstone
