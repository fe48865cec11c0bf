#include "base/memory/guest_view.h"

#include <array>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace touchstone {
namespace {

using testing::ElementsAre;

// Two that adjoin, a gap, and one more.
GuestMemory ThreeRegions() {
  return GuestMemory::Create({{{GuestAddress{0x1000}, 0x2000},
                               {GuestAddress{0x3000}, 0x1000},
                               {GuestAddress{0x8000}, 0x1000}}},
                             {.track_dirty = true})
      .value();
}

TEST(GuestViewTest, ReadsAndWritesTheBytesOfTheGuest) {
  const GuestMemory memory = ThreeRegions();
  GuestView view(memory);
  std::array<uint8_t, 3> read = {};

  ASSERT_TRUE(view.Write(GuestAddress{0x2ffd}, {1, 2, 3}));
  ASSERT_TRUE(view.Read(GuestAddress{0x2ffd}, absl::MakeSpan(read)));

  EXPECT_THAT(read, ElementsAre(1, 2, 3));
  EXPECT_EQ(*memory.ReadObject<uint8_t>(GuestAddress{0x2fff}), 3);
}

TEST(GuestViewTest, GoesFromOneRegionToAnotherAndBack) {
  const GuestMemory memory = ThreeRegions();
  GuestView view(memory);

  ASSERT_TRUE(view.Write(GuestAddress{0x8000}, {8}));
  ASSERT_TRUE(view.Write(GuestAddress{0x1000}, {1}));
  ASSERT_TRUE(view.Write(GuestAddress{0x8fff}, {9}));

  EXPECT_EQ(*memory.ReadObject<uint8_t>(GuestAddress{0x8000}), 8);
  EXPECT_EQ(*memory.ReadObject<uint8_t>(GuestAddress{0x1000}), 1);
  EXPECT_EQ(*memory.ReadObject<uint8_t>(GuestAddress{0x8fff}), 9);
}

TEST(GuestViewTest, SaysNoToWhatIsNotInOneRegion) {
  GuestView view(ThreeRegions());
  std::array<uint8_t, 2> bytes = {};
  iovec slice;
  ASSERT_TRUE(view.Read(GuestAddress{0x3000}, absl::MakeSpan(bytes)));

  EXPECT_FALSE(view.Read(GuestAddress{0x2fff}, absl::MakeSpan(bytes)));
  EXPECT_FALSE(view.Write(GuestAddress{0x3fff}, bytes));
  EXPECT_FALSE(view.Write(GuestAddress{0xfff}, bytes));
  EXPECT_FALSE(view.Write(GuestAddress{0}, bytes));
  EXPECT_FALSE(view.Write(GuestAddress{0xffffffffffffffff}, bytes));
  EXPECT_FALSE(view.Slice(GuestAddress{0x3000}, 0x1001, slice));
  EXPECT_FALSE(view.Slice(GuestAddress{0x3001}, UINT64_MAX, slice));
  EXPECT_FALSE(view.Slice(GuestAddress{0x4000}, 1, slice));
  EXPECT_FALSE(view.MarkDirty(GuestAddress{0x7fff}, 2));
}

TEST(GuestViewTest, MemoryWithoutRegionsHasNothing) {
  GuestView view{GuestMemory()};

  EXPECT_FALSE(view.Write(GuestAddress{0}, {1}));
  EXPECT_FALSE(view.MarkDirty(GuestAddress{0}, 1));
}

TEST(GuestViewTest, MarksWhatWasWritten) {
  const GuestMemory memory = ThreeRegions();
  GuestView view(memory);

  ASSERT_TRUE(view.Write(GuestAddress{0x1fff}, {1, 2}));
  ASSERT_TRUE(view.MarkDirty(GuestAddress{0x3000}, 1));

  EXPECT_THAT(memory.regions()[0].dirty->Take(), ElementsAre(0b11));
  EXPECT_THAT(memory.regions()[1].dirty->Take(), ElementsAre(0b1));
  EXPECT_THAT(memory.regions()[2].dirty->Take(), ElementsAre(0));
}

TEST(GuestViewTest, SlicesAreThoseOfTheMemory) {
  const GuestMemory memory = ThreeRegions();
  GuestView view(memory);
  iovec slice;

  ASSERT_TRUE(view.Slice(GuestAddress{0x3010}, 0xff0, slice));

  const iovec expected = (*memory.Slices(GuestAddress{0x3010}, 0xff0))[0];
  EXPECT_EQ(slice.iov_base, expected.iov_base);
  EXPECT_EQ(slice.iov_len, expected.iov_len);
}

}  // namespace
}  // namespace touchstone
