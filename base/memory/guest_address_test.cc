#include "base/memory/guest_address.h"

#include <cstdint>

#include "gtest/gtest.h"

namespace touchstone {
namespace {

TEST(GuestAddressTest, AddsOffsetsAndMeasuresDistances) {
  const GuestAddress address{0x1000};

  EXPECT_EQ(Raw(address + 0x234), 0x1234u);
  EXPECT_EQ((address + 0x234) - address, 0x234u);
  EXPECT_LT(address, address + 1);
}

TEST(GuestAddressTest, CheckedAddSaysWhenTheSumDoesNotFit) {
  EXPECT_EQ(CheckedAdd(GuestAddress{UINT64_MAX - 1}, 1), GuestAddress{UINT64_MAX});
  EXPECT_FALSE(CheckedAdd(GuestAddress{UINT64_MAX}, 1).has_value());
}

}  // namespace
}  // namespace touchstone
