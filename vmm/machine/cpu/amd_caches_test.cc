#include "vmm/machine/cpu/amd_caches.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace touchstone {
namespace {

using ::testing::ElementsAre;
using ::testing::SizeIs;

// EAX, EBX and ECX, the parts that say something.
struct Parts {
  uint32_t eax, ebx, ecx;
  bool operator==(const Parts&) const = default;
};

std::vector<Parts> PartsOf(const std::vector<CpuidEntry>& leaves) {
  std::vector<Parts> parts;
  for (const CpuidEntry& leaf : leaves) parts.push_back({leaf.eax, leaf.ebx, leaf.ecx});
  return parts;
}

TEST(AmdCachesTest, FourCachesOfAProcessor) {
  // 64 KiB of 2 ways each, 512 KiB of 16 ways, 16 MiB of 16 ways, lines of 64 bytes.
  const CpuidEntry level1 = {.ecx = 0x40020140, .edx = 0x40020140};
  const CpuidEntry level2 = {.ecx = 0x02008140, .edx = 0x00808140};

  const std::vector<CpuidEntry> leaves = AmdCacheLeaves(level1, level2);

  EXPECT_THAT(PartsOf(leaves),
              ElementsAre(Parts{0x121, 1u << 22 | 63, 511}, Parts{0x122, 1u << 22 | 63, 511},
                          Parts{0x143, 15u << 22 | 63, 511}, Parts{0x163, 15u << 22 | 63, 16383},
                          Parts{0, 0, 0}));
  EXPECT_EQ(leaves[2].function, 0x8000001Du);
  EXPECT_EQ(leaves[2].index, 2u);
}

TEST(AmdCachesTest, WithoutLevel3ThereIsNoLeafForIt) {
  EXPECT_THAT(AmdCacheLeaves({.ecx = 0x40020140, .edx = 0x40020140}, {.ecx = 0x02008140}),
              SizeIs(4));
}

TEST(AmdCachesTest, FullyAssociative) {
  const std::vector<CpuidEntry> leaves = AmdCacheLeaves({.ecx = 0x20FF0140}, {});

  EXPECT_THAT(PartsOf(leaves), ElementsAre(Parts{0x321, 511u << 22 | 63, 0}, Parts{0, 0, 0}));
}

TEST(AmdCachesTest, NonsenseIsLeftOut) {
  EXPECT_THAT(AmdCacheLeaves({.ecx = 0xFF000000, .edx = 0x01FE0140},
                             {.ecx = 0x02007140, .edx = 0xFFFFFFFF}),
              SizeIs(2));
}

}  // namespace
}  // namespace touchstone
