#include "devices/pci/range_allocator.h"

#include <optional>

#include "gtest/gtest.h"

namespace touchstone {
namespace {

TEST(RangeAllocatorTest, GivesTheLowestAlignedPlace) {
  RangeAllocator allocator({{0x1001, 0x3000}});
  EXPECT_EQ(allocator.Allocate(0x10, 0x1000), 0x2000);
  EXPECT_EQ(allocator.Allocate(0x800, 0x800), 0x1800);
  EXPECT_EQ(allocator.Allocate(0x10, 0x10), 0x1010);
  EXPECT_EQ(allocator.Allocate(0x1000, 0x1000), 0x3000);
  EXPECT_EQ(allocator.Allocate(0x1000, 0x1000), std::nullopt);
}

TEST(RangeAllocatorTest, FallsThroughToTheNextWindow) {
  RangeAllocator allocator({{0x1000, 0x1000}, {0x8000, 0x2000}});
  EXPECT_EQ(allocator.Allocate(0x2000, 0x1000), 0x8000);
  EXPECT_EQ(allocator.Allocate(0x1000, 0x1000), 0x1000);
  EXPECT_EQ(allocator.Allocate(1, 1), std::nullopt);
}

TEST(RangeAllocatorTest, EndOfTheAddressSpaceIsNoTrap) {
  RangeAllocator allocator({{~uint64_t{0} - 0xFFF, 0x1000}});
  EXPECT_EQ(allocator.Allocate(0x2000, 0x1000), std::nullopt);
  EXPECT_EQ(allocator.Allocate(0x1000, 0x1000), ~uint64_t{0} - 0xFFF);
  EXPECT_EQ(allocator.Allocate(1, 1), std::nullopt);
  EXPECT_EQ(allocator.Allocate(~uint64_t{0}, uint64_t{1} << 63), std::nullopt);
}

TEST(RangeAllocatorTest, EmptyWindowsHoldNothing) {
  RangeAllocator allocator({{0x1000, 0}, {~uint64_t{0}, 2}});
  EXPECT_TRUE(allocator.windows().empty());
  EXPECT_EQ(allocator.Allocate(1, 1), std::nullopt);
  EXPECT_FALSE(allocator.Contains({0x1000, 1}));
}

TEST(RangeAllocatorTest, ContainsOnlyWhatLiesInsideOneWindow) {
  RangeAllocator allocator({{0x1000, 0x1000}, {0x2000, 0x1000}});
  EXPECT_TRUE(allocator.Contains({0x1000, 0x1000}));
  EXPECT_FALSE(allocator.Contains({0x1800, 0x1000}));
  EXPECT_FALSE(allocator.Contains({0xFFF, 2}));
  EXPECT_FALSE(allocator.Contains({~uint64_t{0}, 2}));
}

}  // namespace
}  // namespace touchstone
