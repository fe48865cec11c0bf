#include "vmm/machine/cpu/amd_caches.h"

#include <algorithm>
#include <array>
#include <cstdint>

#include "base/bits.h"

namespace touchstone {
namespace {

constexpr uint32_t kCacheLeaf = 0x8000001D;
constexpr uint32_t kKiB = 1024;
// An associativity that says that any line may be anywhere.
constexpr uint32_t kFullyLevel1 = 0xFF, kFully = 0xF;
// Ways, by the code of leaf 0x80000006; 0 where it has no meaning.
constexpr std::array<uint32_t, 16> kWays = {0, 1, 2, 3, 4, 6, 8, 0, 16, 0, 32, 48, 64, 96, 128, 0};

enum CacheType : uint32_t { kData = 1, kInstructions = 2, kUnified = 3 };

struct Cache {
  CacheType type;
  uint32_t level;
  uint64_t size;  // Bytes; 0 for none.
  uint32_t line;
  uint32_t ways;
  bool fully_associative;
};

Cache Level1(CacheType type, uint32_t reg) {
  return {.type = type,
          .level = 1,
          .size = Field(reg, 31, 24) * kKiB,
          .line = Field(reg, 7, 0),
          .ways = Field(reg, 23, 16),
          .fully_associative = Field(reg, 23, 16) == kFullyLevel1};
}

Cache Outer(uint32_t level, uint64_t size, uint32_t reg) {
  return {.type = kUnified,
          .level = level,
          .size = size,
          .line = Field(reg, 7, 0),
          .ways = kWays[Field(reg, 15, 12)],
          .fully_associative = Field(reg, 15, 12) == kFully};
}

}  // namespace

std::vector<CpuidEntry> AmdCacheLeaves(const CpuidEntry& level1, const CpuidEntry& level2) {
  const Cache caches[] = {
      Level1(kData, level1.ecx),
      Level1(kInstructions, level1.edx),
      Outer(2, Field(level2.ecx, 31, 16) * kKiB, level2.ecx),
      Outer(3, uint64_t{512} * kKiB * Field(level2.edx, 31, 18), level2.edx),
  };
  std::vector<CpuidEntry> leaves;
  const auto add = [&](CpuidEntry entry) {
    entry.function = kCacheLeaf;
    entry.index = static_cast<uint32_t>(leaves.size());
    entry.significant_index = true;
    leaves.push_back(entry);
  };
  constexpr uint32_t kSelfInitialising = Bit(8), kFullyAssociative = Bit(9);
  for (const Cache& cache : caches) {
    if (cache.size == 0 || cache.line == 0) continue;
    const auto lines = static_cast<uint32_t>(cache.size / cache.line);
    const uint32_t ways = cache.fully_associative ? lines : cache.ways;
    if (ways == 0 || lines < ways) continue;
    constexpr uint32_t kMostWays = 1024;  // the field has 10 bits
    add({.eax = cache.type | cache.level << 5 | kSelfInitialising |
                (cache.fully_associative ? kFullyAssociative : 0),
         .ebx = (std::min(ways, kMostWays) - 1) << 22 | (cache.line - 1),
         .ecx = lines / ways - 1});
  }
  add({});
  return leaves;
}

}  // namespace touchstone
