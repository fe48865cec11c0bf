#include "base/memory/memory_control.h"

#include <sys/mman.h>
#include <sys/stat.h>

#include <string>
#include <vector>

#include "gtest/gtest.h"

namespace touchstone {
namespace {

constexpr uint64_t kPage = kGuestPageSize;

// Two regions of 16 pages with a hole of 16 between them.
class MemoryControlTest : public testing::TestWithParam<GuestMemory::Backing> {
 protected:
  // Pages that the host holds in a region.
  int Resident(size_t region) const {
    const GuestMemory::Region& place = memory_.regions()[region];
    std::vector<unsigned char> pages(place.size / kPage);
    EXPECT_EQ(mincore(place.host, place.size, pages.data()), 0);
    int count = 0;
    for (const unsigned char page : pages) count += page & 1;
    return count;
  }
  uint8_t ByteAt(uint64_t address) const {
    return memory_.ReadObject<uint8_t>(GuestAddress{address}).value();
  }
  void FillAll() {
    ASSERT_TRUE(memory_.Fill(GuestAddress{0}, 16 * kPage, 0x5A).ok());
    ASSERT_TRUE(memory_.Fill(GuestAddress{32 * kPage}, 16 * kPage, 0x5A).ok());
  }

  GuestMemory memory_ =
      GuestMemory::Create({{GuestAddress{0}, 16 * kPage}, {GuestAddress{32 * kPage}, 16 * kPage}},
                          {.backing = GetParam(), .huge_pages = false, .track_dirty = true})
          .value();
  GuestMemoryControl control_{memory_};
};

TEST_P(MemoryControlTest, ReleasedPagesAreGoneAndReadAsZero) {
  FillAll();

  EXPECT_EQ(control_.Release(GuestAddress{4 * kPage}, 8 * kPage).value(), 8 * kPage);

  EXPECT_EQ(Resident(0), 8);
  EXPECT_EQ(ByteAt(4 * kPage - 1), 0x5A);
  EXPECT_EQ(ByteAt(4 * kPage), 0);
  EXPECT_EQ(ByteAt(12 * kPage - 1), 0);
  EXPECT_EQ(ByteAt(12 * kPage), 0x5A);
}

TEST_P(MemoryControlTest, ReleasedPagesCanBeUsedAgain) {
  FillAll();
  ASSERT_TRUE(control_.Release(GuestAddress{0}, 16 * kPage).ok());

  FillAll();

  EXPECT_EQ(ByteAt(0), 0x5A);
  EXPECT_EQ(Resident(0), 16);
}

TEST_P(MemoryControlTest, WhatIsNoMemoryIsPassedOver) {
  FillAll();

  EXPECT_EQ(control_.Release(GuestAddress{8 * kPage}, 32 * kPage).value(), 16 * kPage);
  EXPECT_EQ(control_.Release(GuestAddress{20 * kPage}, kPage).value(), 0u);
  EXPECT_EQ(control_.Release(GuestAddress{uint64_t{0} - kPage}, kPage).value(), 0u);
  EXPECT_EQ(control_.Release(GuestAddress{0}, 0).value(), 0u);
  EXPECT_EQ(Resident(0), 8);
  EXPECT_EQ(Resident(1), 8);
}

TEST_P(MemoryControlTest, EverythingIsReleasedAtOnce) {
  FillAll();

  EXPECT_EQ(control_.Release(GuestAddress{0}, uint64_t{0} - kPage).value(), 32 * kPage);
  EXPECT_EQ(Resident(0) + Resident(1), 0);
}

TEST_P(MemoryControlTest, ReleasedPagesAreDirty) {
  memory_.regions()[1].dirty->Take();

  ASSERT_TRUE(control_.Release(GuestAddress{33 * kPage}, 2 * kPage).ok());

  EXPECT_EQ(memory_.regions()[1].dirty->Take(), (std::vector<uint64_t>{0b110}));
}

INSTANTIATE_TEST_SUITE_P(Backings, MemoryControlTest,
                         testing::Values(GuestMemory::Backing::kAnonymous,
                                         GuestMemory::Backing::kMemfd),
                         [](const auto& info) {
                           return std::string(
                               info.param == GuestMemory::Backing::kMemfd ? "Memfd" : "Anonymous");
                         });

}  // namespace
}  // namespace touchstone
