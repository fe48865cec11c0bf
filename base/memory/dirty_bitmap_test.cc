#include "base/memory/dirty_bitmap.h"

#include <sys/mman.h>
#include <unistd.h>

#include <atomic>
#include <cstdint>
#include <memory>
#include <thread>
#include <utility>
#include <vector>

#include "base/event_fd.h"
#include "base/memory/dirty_log.h"
#include "base/scoped_fd.h"
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

std::shared_ptr<const DirtyLog> MakeLog(uint64_t size) {
  const ScopedFd file(memfd_create("log", MFD_CLOEXEC));
  EXPECT_EQ(ftruncate(file.get(), static_cast<off_t>(size)), 0);
  return DirtyLog::Map(file.get(), 0, size).value();
}

TEST(DirtyBitmapTest, MarksPagesOfALog) {
  const std::shared_ptr<const DirtyLog> log = MakeLog(16);
  DirtyBitmap low({.log = log}, 0);
  DirtyBitmap high({.log = log}, 62 * kPage);

  low.Mark(kPage, 1);
  high.Mark(kPage, 2 * kPage);

  EXPECT_TRUE(high.IsDirty(2 * kPage));
  EXPECT_FALSE(high.IsDirty(3 * kPage));
  EXPECT_EQ(low.pages(), 128u);
  EXPECT_THAT(low.Take(), ElementsAre(uint64_t{1} << 63 | 2, 1));
}

TEST(DirtyBitmapTest, IgnoresWhatLiesPastTheEndOfALog) {
  const std::shared_ptr<const DirtyLog> log = MakeLog(1);
  DirtyBitmap bitmap({.log = log}, 6 * kPage);

  bitmap.Mark(kPage, 100 * kPage);
  bitmap.Mark(2 * kPage, 1);
  bitmap.Mark(UINT64_MAX / 2, 1);

  EXPECT_THAT(bitmap.Take(), ElementsAre(uint64_t{1} << 7));
}

TEST(DirtyBitmapTest, ShiftsPagesOfALog) {
  const std::shared_ptr<const DirtyLog> log = MakeLog(8);
  DirtyBitmap up({.log = log, .shift = 10 * kPage - 1}, kPage);
  DirtyBitmap down({.log = log, .shift = uint64_t{0} - 5 * kPage}, 6 * kPage);

  up.Mark(0, 1);
  down.Mark(0, 1);

  EXPECT_THAT(DirtyBitmap({.log = log}, 0).Take(), ElementsAre(uint64_t{1} << 10 | 2));
}

TEST(DirtyBitmapTest, SignalsWhatIsNewInALog) {
  const auto changed = std::make_shared<const EventFd>(EventFd::Create().value());
  DirtyBitmap bitmap({.log = MakeLog(16), .changed = changed}, 0);

  bitmap.Mark(0, 1);
  EXPECT_EQ(changed->Drain(), 1u);
  bitmap.Mark(0, 1);
  EXPECT_EQ(changed->Drain(), 0u);
  bitmap.Mark(0, 100 * kPage);

  EXPECT_EQ(changed->Drain(), 1u);
  EXPECT_THAT(bitmap.Take(), ElementsAre(~uint64_t{0}, ~uint64_t{0} >> 28));
}

}  // namespace
}  // namespace touchstone
