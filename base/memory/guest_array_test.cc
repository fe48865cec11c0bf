#include "base/memory/guest_array.h"

#include <vector>

#include "base/endian.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace touchstone {
namespace {

using testing::ElementsAre;

struct Element {
  Le64 low;
  Le64 high;
};

GuestMemory TwoRegions() {
  return GuestMemory::Create({{{GuestAddress{0x1000}, 0x2000}, {GuestAddress{0x3000}, 0x1000}}},
                             {.track_dirty = true})
      .value();
}

TEST(GuestArrayTest, ReadsTheElementsOfTheGuest) {
  const GuestMemory memory = TwoRegions();
  const auto array = GuestArray<Element, 16>::Create(memory, GuestAddress{0x1ff0}, 3).value();
  ASSERT_TRUE(memory.WriteObject<Element>(GuestAddress{0x2000}, {.low = 7, .high = 8}).ok());

  const Element element = array.Read(1);

  EXPECT_EQ(element.low, 7u);
  EXPECT_EQ(element.high, 8u);
  EXPECT_EQ(array.count(), 3u);
}

TEST(GuestArrayTest, AFreeRunningIndexWraps) {
  const GuestMemory memory = TwoRegions();
  const auto array = GuestArray<uint16_t>::Create(memory, GuestAddress{0x1002}, 4).value();
  ASSERT_TRUE(memory.WriteObject<Le16>(GuestAddress{0x1004}, Le16(5)).ok());

  EXPECT_EQ(array.LoadWrapped(1, std::memory_order_relaxed), 5);
  EXPECT_EQ(array.LoadWrapped(0xfff5, std::memory_order_relaxed), 5);
  EXPECT_EQ(array.LoadWrapped(0xfff6, std::memory_order_relaxed), 0);
}

TEST(GuestArrayTest, WhatIsNoPowerOfTwoNeverLeavesTheArray) {
  const GuestMemory memory = TwoRegions();
  const auto array = GuestArray<uint16_t>::Create(memory, GuestAddress{0x1000}, 3).value();
  ASSERT_TRUE(memory.WriteObject<Le64>(GuestAddress{0x1000}, Le64(0x0004'0003'0002'0001)).ok());

  std::vector<uint16_t> seen;
  for (uint32_t i = 0; i < 8; ++i) seen.push_back(array.LoadWrapped(i, std::memory_order_relaxed));

  EXPECT_THAT(seen, testing::Each(testing::Le(3)));
}

TEST(GuestArrayTest, WritesMarkTheirPagesDirty) {
  const GuestMemory memory = TwoRegions();
  // Elements of 8 bytes that are aligned to 4, as those of a used ring.
  const auto array = GuestArray<Le64, 4>::Create(memory, GuestAddress{0x1ff4}, 4).value();

  array.WriteWrapped(2, Le64(0x1122));
  EXPECT_THAT(memory.regions()[0].dirty->Take(), ElementsAre(0b10));
  array.WriteWrapped(4, Le64(0x3344));
  EXPECT_THAT(memory.regions()[0].dirty->Take(), ElementsAre(0b1));

  EXPECT_EQ(memory.ReadObject<Le64>(GuestAddress{0x2004})->get(), 0x1122u);
  EXPECT_EQ(memory.ReadObject<Le64>(GuestAddress{0x1ff4})->get(), 0x3344u);
}

TEST(GuestArrayTest, RefusesWhatIsNotInOneRegion) {
  const GuestMemory memory = TwoRegions();
  const auto code = [&memory](uint64_t address, uint32_t count) {
    return GuestArray<Element, 16>::Create(memory, GuestAddress{address}, count).status().code();
  };

  EXPECT_EQ(code(0x1000, 0x200), absl::StatusCode::kOk);
  EXPECT_EQ(code(0x0ff0, 2), absl::StatusCode::kOutOfRange);
  EXPECT_EQ(code(0x2ff0, 2), absl::StatusCode::kOutOfRange);
  EXPECT_EQ(code(0x3ff0, 2), absl::StatusCode::kOutOfRange);
  EXPECT_EQ(code(0x1000, UINT32_MAX), absl::StatusCode::kOutOfRange);
  EXPECT_EQ(code(0xfffffffffffffff0, 2), absl::StatusCode::kOutOfRange);
}

TEST(GuestArrayTest, RefusesUnalignedAddressesAndNoElements) {
  const GuestMemory memory = TwoRegions();
  const auto code = [&memory](uint64_t address, uint32_t count) {
    return GuestArray<Element, 16>::Create(memory, GuestAddress{address}, count).status().code();
  };

  EXPECT_EQ(code(0x1008, 1), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(code(0x1000, 0), absl::StatusCode::kInvalidArgument);
}

TEST(GuestArrayTest, KeepsTheMemoryMapped) {
  const auto array = GuestArray<Le64, 8>::Create(TwoRegions(), GuestAddress{0x1000}, 2).value();

  array.WriteWrapped(1, Le64(7));

  EXPECT_EQ(array.Read(1), 7u);
}

TEST(GuestArrayDeathTest, AnIndexBehindTheEndIsOurMistake) {
  const auto array = GuestArray<Le64, 8>::Create(TwoRegions(), GuestAddress{0x1000}, 2).value();

  EXPECT_DEATH(static_cast<void>(array.Read(2)), "CHECK|count_");
}

}  // namespace
}  // namespace touchstone
