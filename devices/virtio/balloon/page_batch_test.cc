#include "devices/virtio/balloon/page_batch.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <utility>
#include <vector>

#include "base/endian.h"
#include "base/memory/guest_address.h"
#include "devices/virtio/balloon/balloon_protocol.h"

namespace touchstone {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::Pair;

// First page and number of pages.
using Ranges = std::vector<std::pair<uint64_t, uint64_t>>;

Ranges RangesOf(const std::vector<uint32_t>& frames) {
  PageBatch batch;
  for (const uint32_t frame : frames) batch.Add(frame);
  Ranges ranges;
  for (const GuestMemory::RegionSpec& range : batch.TakeRanges()) {
    ranges.emplace_back(Raw(range.start) / kBalloonPageSize, range.size / kBalloonPageSize);
  }
  return ranges;
}

TEST(PageBatchTest, NeighboursInAnyOrderAreOneRange) {
  EXPECT_THAT(RangesOf({7, 5, 6, 9, 8}), ElementsAre(Pair(5, 5)));
}

TEST(PageBatchTest, AscendingPagesAreOneRange) {
  EXPECT_THAT(RangesOf({1, 2, 3}), ElementsAre(Pair(1, 3)));
}

TEST(PageBatchTest, RangesComeByAddress) {
  EXPECT_THAT(RangesOf({30, 10, 20}), ElementsAre(Pair(10, 1), Pair(20, 1), Pair(30, 1)));
}

TEST(PageBatchTest, PagesThatWereAddedAgainAreThereOnce) {
  EXPECT_THAT(RangesOf({4, 4, 4, 9, 4, 9, 9}), ElementsAre(Pair(4, 1), Pair(9, 1)));
}

TEST(PageBatchTest, TheLastPageThatCanBeNamed) {
  EXPECT_THAT(RangesOf({0xFFFFFFFF, 0xFFFFFFFE}), ElementsAre(Pair(0xFFFFFFFE, 2)));
}

TEST(PageBatchTest, APageThatRepeatsDoesNotFillIt) {
  PageBatch batch;

  for (size_t i = 0; i < 2 * PageBatch::kCapacity; ++i) batch.Add(3);

  EXPECT_FALSE(batch.full());
}

TEST(PageBatchTest, KnowsAPageThatRepeats) {
  PageBatch batch;
  batch.Add(1);
  batch.Add(3);

  EXPECT_TRUE(batch.Repeats(std::vector<Le32>{3, 3, 3}));
  EXPECT_TRUE(batch.Repeats(std::vector<Le32>{3}));
  EXPECT_FALSE(batch.Repeats(std::vector<Le32>{3, 3, 4}));
  EXPECT_FALSE(batch.Repeats(std::vector<Le32>{4, 4}));
  EXPECT_FALSE(batch.Repeats(std::vector<Le32>{1}));
}

TEST(PageBatchTest, NothingRepeatsNothing) {
  EXPECT_FALSE(PageBatch().Repeats(std::vector<Le32>{0, 0}));
  EXPECT_FALSE(PageBatch().Repeats({}));
}

TEST(PageBatchTest, FullAfterItsCapacityOfPages) {
  PageBatch batch;

  for (uint32_t i = 0; i < PageBatch::kCapacity; ++i) batch.Add(2 * i);

  EXPECT_TRUE(batch.full());
}

TEST(PageBatchTest, TakingForgetsAll) {
  PageBatch batch;
  batch.Add(1);
  batch.TakeRanges();

  EXPECT_THAT(batch.TakeRanges(), IsEmpty());
}

}  // namespace
}  // namespace touchstone
