#include "base/memory/guest_window.h"

#include "base/endian.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace touchstone {
namespace {

using testing::ElementsAre;

GuestMemory TwoRegions() {
  return GuestMemory::Create({{{GuestAddress{0x1000}, 0x2000}, {GuestAddress{0x3000}, 0x1000}}},
                             {.track_dirty = true})
      .value();
}

TEST(GuestWindowTest, ReadsAndWritesTheBytesOfTheGuest) {
  const GuestMemory memory = TwoRegions();
  const GuestWindow window = GuestWindow::Create(memory, GuestAddress{0x1ff0}, 0x40, 16).value();

  window.Write<Le32>(0x10, Le32(0x11223344));
  ASSERT_TRUE(memory.WriteObject<Le16>(GuestAddress{0x1ff6}, Le16(0x5566)).ok());

  EXPECT_EQ(memory.ReadObject<Le32>(GuestAddress{0x2000})->get(), 0x11223344u);
  EXPECT_EQ(window.Read<Le16>(6).get(), 0x5566);
}

TEST(GuestWindowTest, WritesMarkTheirPagesDirty) {
  const GuestMemory memory = TwoRegions();
  const GuestWindow window = GuestWindow::Create(memory, GuestAddress{0x1ff0}, 0x40, 16).value();

  window.Store<uint16_t>(0x10, 1, std::memory_order_release);
  EXPECT_THAT(memory.regions()[0].dirty->Take(), ElementsAre(0b10));
  window.Write<uint8_t>(0xf, 1);

  EXPECT_THAT(memory.regions()[0].dirty->Take(), ElementsAre(0b1));
  EXPECT_EQ(window.Load<uint16_t>(0x10, std::memory_order_acquire), 1);
}

TEST(GuestWindowTest, RefusesWhatIsNotInOneRegion) {
  const GuestMemory memory = TwoRegions();
  const auto code = [&memory](uint64_t address, uint64_t size) {
    return GuestWindow::Create(memory, GuestAddress{address}, size, 16).status().code();
  };

  EXPECT_EQ(code(0x1000, 0x2000), absl::StatusCode::kOk);
  EXPECT_EQ(code(0x0ff0, 0x20), absl::StatusCode::kOutOfRange);
  EXPECT_EQ(code(0x2ff0, 0x20), absl::StatusCode::kOutOfRange);
  EXPECT_EQ(code(0x3ff0, 0x11), absl::StatusCode::kOutOfRange);
  EXPECT_EQ(code(0x1000, UINT64_MAX), absl::StatusCode::kOutOfRange);
  EXPECT_EQ(code(0xfffffffffffffff0, 0x20), absl::StatusCode::kOutOfRange);
}

TEST(GuestWindowTest, RefusesUnalignedAddresses) {
  const GuestMemory memory = TwoRegions();

  EXPECT_EQ(GuestWindow::Create(memory, GuestAddress{0x1008}, 16, 16).status().code(),
            absl::StatusCode::kInvalidArgument);
}

TEST(GuestWindowTest, KeepsTheMemoryMapped) {
  const GuestWindow window =
      GuestWindow::Create(TwoRegions(), GuestAddress{0x1000}, 16, 16).value();

  window.Write<uint64_t>(8, 7);

  EXPECT_EQ(window.Read<uint64_t>(8), 7u);
}

TEST(GuestWindowDeathTest, AccessBehindTheEndIsOurMistake) {
  const GuestWindow window =
      GuestWindow::Create(TwoRegions(), GuestAddress{0x1000}, 16, 16).value();

  EXPECT_DEATH(static_cast<void>(window.Read<uint64_t>(9)), "CHECK|size_");
}

}  // namespace
}  // namespace touchstone
