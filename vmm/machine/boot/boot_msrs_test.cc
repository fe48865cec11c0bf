#include "vmm/machine/boot/boot_msrs.h"

#include <bit>
#include <map>

#include "gtest/gtest.h"
#include "vmm/machine/boot/boot_testing.h"

namespace touchstone {
namespace {

std::map<uint32_t, uint64_t> MsrMap(const MemoryLayout& layout) {
  std::map<uint32_t, uint64_t> map;
  for (const Msr& msr : BootMsrs(layout)) map[msr.index] = msr.value;
  return map;
}

// Whether a variable range covers `address` (Intel SDM volume 3, 12.11.3: the masked address equals
// the masked base).
bool IsUncached(const std::map<uint32_t, uint64_t>& msrs, uint64_t address) {
  bool covered = false;
  for (uint32_t n = 0; n < 8; ++n) {
    const auto base = msrs.find(0x200 + 2 * n);
    const auto mask = msrs.find(0x201 + 2 * n);
    if (base == msrs.end() || mask == msrs.end()) continue;
    const uint64_t bits = mask->second & ~0xFFFull;
    covered |= (mask->second & 0x800) != 0 && (address & bits) == (base->second & bits);
  }
  return covered;
}

TEST(BootMsrsTest, DefaultIsWriteBack) { EXPECT_EQ(MsrMap(MakeLayout(kGiB)).at(0x2FF), 0x806u); }

TEST(BootMsrsTest, StringsAreFastAndThereIsNoPebs) {
  EXPECT_EQ(MsrMap(MakeLayout(kGiB)).at(0x1A0), 0x1801u);
}

TEST(BootMsrsTest, HoleIsUncachedAndRamIsNot) {
  const auto msrs = MsrMap(MakeLayout(8 * kGiB));

  EXPECT_FALSE(IsUncached(msrs, 0));
  EXPECT_FALSE(IsUncached(msrs, 0xCFFFF000));
  EXPECT_TRUE(IsUncached(msrs, 0xD0000000));
  EXPECT_TRUE(IsUncached(msrs, 0xDFFFF000));
  EXPECT_TRUE(IsUncached(msrs, 0xF4000000));
  EXPECT_TRUE(IsUncached(msrs, 0xFFFFF000));
  EXPECT_FALSE(IsUncached(msrs, 4 * kGiB));
  EXPECT_FALSE(IsUncached(msrs, 4 * kGiB + 0xD0000000));
}

TEST(BootMsrsTest, MasksStayWithinThePhysicalAddress) {
  const auto layout = MemoryLayout::Plan({.ram_size = kGiB, .physical_bits = 36});
  ASSERT_TRUE(layout.ok());

  EXPECT_EQ(MsrMap(*layout).at(0x201), 0xFE0000800u);
}

TEST(BootMsrsTest, OddHoleUsesAtMostEightRanges) {
  const auto layout =
      MemoryLayout::Plan({.ram_size = kGiB, .hole_start = GuestAddress{0x5A5A5000}});
  ASSERT_TRUE(layout.ok());

  const auto msrs = MsrMap(*layout);

  EXPECT_EQ(msrs.size(), 2u + 2 * 8);
  EXPECT_FALSE(IsUncached(msrs, 0x5A5A4000));
  EXPECT_TRUE(IsUncached(msrs, 0x60000000));
  EXPECT_TRUE(IsUncached(msrs, 0xFFFFF000));
}

TEST(BootMsrsTest, RangesAreAlignedToTheirSize) {
  const auto layout =
      MemoryLayout::Plan({.ram_size = kGiB, .hole_start = GuestAddress{0x5A5A5000}});
  ASSERT_TRUE(layout.ok());

  const auto msrs = MsrMap(*layout);

  for (uint32_t n = 0; n < 8; ++n) {
    const uint64_t size = (~(msrs.at(0x201 + 2 * n) & ~0xFFFull) & 0x7FFFFFFFFF) + 1;
    EXPECT_TRUE(std::has_single_bit(size)) << n;
    EXPECT_EQ(msrs.at(0x200 + 2 * n) & (size - 1), 0u) << n;
  }
}

}  // namespace
}  // namespace touchstone
