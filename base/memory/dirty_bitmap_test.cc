#include "base/memory/dirty_bitmap.h"

#include <atomic>
#include <cstdint>
#include <thread>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace touchstone {
namespace {

using ::testing::Each;
using ::testing::ElementsAre;

constexpr uint64_t kPage = 4096;

TEST(DirtyBitmapTest, StartsClean) {
  DirtyBitmap bitmap(70 * kPage);

  EXPECT_EQ(bitmap.pages(), 70u);
  EXPECT_THAT(bitmap.Take(), ElementsAre(0, 0));
}

TEST(DirtyBitmapTest, SizeRoundsUpToPages) {
  EXPECT_EQ(DirtyBitmap(1).pages(), 1u);
  EXPECT_EQ(DirtyBitmap(kPage).pages(), 1u);
  EXPECT_EQ(DirtyBitmap(kPage + 1).pages(), 2u);
}

TEST(DirtyBitmapTest, EmptyBitmapIgnoresEverything) {
  DirtyBitmap bitmap(0);

  bitmap.Mark(0, 1);

  EXPECT_FALSE(bitmap.IsDirty(0));
  EXPECT_TRUE(bitmap.Take().empty());
}

TEST(DirtyBitmapTest, MarksEachPageThatARangeTouches) {
  DirtyBitmap bitmap(8 * kPage);

  bitmap.Mark(2 * kPage - 1, kPage + 2);

  EXPECT_FALSE(bitmap.IsDirty(kPage - 1));
  EXPECT_TRUE(bitmap.IsDirty(kPage));
  EXPECT_THAT(bitmap.Take(), ElementsAre(0b1110));
}

TEST(DirtyBitmapTest, EmptyRangeMarksNothing) {
  DirtyBitmap bitmap(kPage);

  bitmap.Mark(0, 0);

  EXPECT_FALSE(bitmap.IsDirty(0));
}

TEST(DirtyBitmapTest, RangeMayCrossWords) {
  DirtyBitmap bitmap(256 * kPage);

  bitmap.Mark(63 * kPage, 66 * kPage);

  EXPECT_THAT(bitmap.Take(), ElementsAre(uint64_t{1} << 63, ~uint64_t{0}, 1, 0));
}

TEST(DirtyBitmapTest, IgnoresWhatLiesPastTheEnd) {
  DirtyBitmap bitmap(3 * kPage);

  bitmap.Mark(2 * kPage, UINT64_MAX);
  bitmap.Mark(3 * kPage, kPage);
  bitmap.Mark(UINT64_MAX, 1);

  EXPECT_FALSE(bitmap.IsDirty(3 * kPage));
  EXPECT_THAT(bitmap.Take(), ElementsAre(0b100));
}

TEST(DirtyBitmapTest, TakeCleans) {
  DirtyBitmap bitmap(2 * kPage);
  bitmap.Mark(0, 1);

  bitmap.Take();

  EXPECT_FALSE(bitmap.IsDirty(0));
  EXPECT_THAT(bitmap.Take(), ElementsAre(0));
}

// Whatever a writer stored before marking is either in a collection or marked for the next one.
TEST(DirtyBitmapTest, NoMarkIsLostToAConcurrentTake) {
  constexpr uint64_t kPages = 128;
  constexpr int kRounds = 2000;
  DirtyBitmap bitmap(kPages * kPage);
  std::vector<std::atomic<uint64_t>> data(kPages);
  std::vector<uint64_t> copy(kPages, 0);
  std::atomic<bool> done{false};

  std::thread writer([&] {
    for (int round = 1; round <= kRounds; ++round) {
      const size_t page = static_cast<size_t>(round) * 7 % kPages;
      data[page].store(static_cast<uint64_t>(round), std::memory_order_relaxed);
      bitmap.Mark(page * kPage, 1);
    }
    done.store(true, std::memory_order_release);  // the last marks come before
  });
  const auto collect = [&] {
    const std::vector<uint64_t> taken = bitmap.Take();
    for (size_t page = 0; page < kPages; ++page) {
      if ((taken[page / 64] >> (page % 64)) & 1) {
        copy[page] = data[page].load(std::memory_order_relaxed);
      }
    }
  };
  while (!done.load(std::memory_order_acquire)) collect();
  writer.join();
  collect();

  for (size_t page = 0; page < kPages; ++page) {
    EXPECT_EQ(copy[page], data[page].load(std::memory_order_relaxed)) << page;
  }
  EXPECT_THAT(bitmap.Take(), Each(0));
}

}  // namespace
}  // namespace touchstone
