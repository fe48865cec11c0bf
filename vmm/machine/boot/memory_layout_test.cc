#include "vmm/machine/boot/memory_layout.h"

#include <string>
#include <utility>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "vmm/machine/boot/boot_testing.h"

namespace touchstone {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsSupersetOf;
using Type = E820Entry::Type;

std::string PlanError(const MemoryLayoutOptions& options) {
  const absl::StatusOr<MemoryLayout> layout = MemoryLayout::Plan(options);
  return layout.ok() ? "" : std::string(layout.status().message());
}

TEST(MemoryLayoutTest, SmallGuestHasOneRegion) {
  const MemoryLayout layout = MakeLayout(512 * kMiB);

  const auto regions = layout.RamRegions();

  ASSERT_EQ(regions.size(), 1u);
  EXPECT_EQ(regions[0].start, GuestAddress{0});
  EXPECT_EQ(regions[0].size, 512 * kMiB);
  EXPECT_EQ(layout.high_ram.size, 0u);
  EXPECT_EQ(layout.low_mmio, (MemoryRange{kDefaultHoleStart, 576 * kMiB}));
  EXPECT_EQ(layout.high_mmio.start, kFourGiB);
}

TEST(MemoryLayoutTest, LargeGuestIsSplitAroundTheHole) {
  const MemoryLayout layout = MakeLayout(8 * kGiB);

  const auto regions = layout.RamRegions();

  ASSERT_EQ(regions.size(), 2u);
  EXPECT_EQ(regions[0].size, Raw(kDefaultHoleStart));
  EXPECT_EQ(regions[1].start, kFourGiB);
  EXPECT_EQ(regions[0].size + regions[1].size, 8 * kGiB);
  EXPECT_EQ(layout.high_mmio.start, layout.high_ram.end());
}

TEST(MemoryLayoutTest, RamThatEndsAtTheHoleStaysBelow) {
  EXPECT_EQ(MakeLayout(Raw(kDefaultHoleStart)).RamRegions().size(), 1u);
  EXPECT_EQ(MakeLayout(Raw(kDefaultHoleStart) + 4096).RamRegions().size(), 2u);
}

TEST(MemoryLayoutTest, HighMmioIsAlignedToHugePages) {
  const MemoryLayout layout = MakeLayout(Raw(kDefaultHoleStart) + 4096);

  EXPECT_EQ(layout.high_mmio.start, kFourGiB + 2 * kMiB);
  EXPECT_EQ(Raw(layout.high_mmio.end()), uint64_t{1} << layout.physical_bits);
}

TEST(MemoryLayoutTest, E820OfASmallGuest) {
  const std::vector<E820Entry> map = MakeLayout(512 * kMiB).E820();

  EXPECT_THAT(map, ElementsAre(E820Entry{{GuestAddress{0}, 0x9FC00}, Type::kRam},
                               E820Entry{{GuestAddress{0x9FC00}, 0x60400}, Type::kReserved},
                               E820Entry{{GuestAddress{kMiB}, 511 * kMiB}, Type::kRam},
                               E820Entry{{GuestAddress{0xF4000000}, 64 * kMiB}, Type::kReserved},
                               E820Entry{{GuestAddress{0xFEFFC000}, 0x4000}, Type::kReserved}));
}

TEST(MemoryLayoutTest, E820IsSortedAndFreeOfOverlaps) {
  const MemoryLayout layout = MakeLayout(6 * kGiB);
  const MemoryRange above{layout.high_mmio.start, 2 * kMiB};
  const MemoryRange between{GuestAddress{0xFEE00000}, 4096};

  const std::vector<E820Entry> map = layout.E820({above, between});

  for (size_t i = 1; i < map.size(); ++i) {
    EXPECT_GE(map[i].range.start, map[i - 1].range.end()) << i;
  }
  EXPECT_THAT(map,
              IsSupersetOf({E820Entry{above, Type::kReserved}, E820Entry{between, Type::kReserved},
                            E820Entry{layout.high_ram, Type::kRam}}));
}

TEST(MemoryLayoutTest, EcamBelowTheHoleLowersIt) {
  const auto layout =
      MemoryLayout::Plan({.ram_size = 4 * kGiB, .ecam = {GuestAddress{0x80000000}, 256 * kMiB}});

  ASSERT_TRUE(layout.ok()) << layout.status();
  EXPECT_EQ(layout->low_ram.end(), GuestAddress{0x80000000});
  EXPECT_EQ(layout->low_mmio.start, GuestAddress{0x90000000});
  EXPECT_EQ(layout->low_mmio.end(), kIoapicAddress);
}

TEST(MemoryLayoutTest, HoleCanBeMoved) {
  const auto layout =
      MemoryLayout::Plan({.ram_size = 4 * kGiB, .hole_start = GuestAddress{0x40000000}});

  ASSERT_TRUE(layout.ok()) << layout.status();
  EXPECT_EQ(layout->low_ram.size, kGiB);
  EXPECT_EQ(layout->high_ram.size, 3 * kGiB);
  EXPECT_EQ(layout->low_mmio.start, GuestAddress{0x40000000});
}

TEST(MemoryLayoutTest, AmountsOfRamThatCannotBeAreRefused) {
  EXPECT_THAT(PlanError({.ram_size = 0}), HasSubstr("--mem"));
  EXPECT_THAT(PlanError({.ram_size = kMiB}), HasSubstr("--mem"));
  EXPECT_THAT(PlanError({.ram_size = 512 * kMiB + 1}), HasSubstr("--mem"));
  EXPECT_THAT(PlanError({.ram_size = uint64_t{1} << 39}), HasSubstr("39 bits"));
  EXPECT_THAT(PlanError({.ram_size = ~uint64_t{4095}}), HasSubstr("--mem"));
  EXPECT_EQ(PlanError({.ram_size = kMinimumRam}), "");
}

TEST(MemoryLayoutTest, NarrowPhysicalAddressesAreRefused) {
  EXPECT_THAT(PlanError({.ram_size = kGiB, .physical_bits = 0}), HasSubstr("0 bits"));
  EXPECT_THAT(PlanError({.ram_size = kGiB, .physical_bits = 32}), HasSubstr("32 bits"));
  EXPECT_EQ(PlanError({.ram_size = kGiB, .physical_bits = 36}), "");
}

TEST(MemoryLayoutTest, WidePhysicalAddressesAreCutToFourLevelPaging) {
  const auto layout = MemoryLayout::Plan({.ram_size = kGiB, .physical_bits = 52});

  ASSERT_TRUE(layout.ok()) << layout.status();
  EXPECT_EQ(Raw(layout->high_mmio.end()), uint64_t{1} << 46);
}

TEST(MemoryLayoutTest, WindowsThatCannotBeAreRefused) {
  const uint64_t ram = 512 * kMiB;

  EXPECT_THAT(PlanError({.ram_size = ram, .ecam = {GuestAddress{0xF4000000}, 0}}),
              HasSubstr("whole buses"));
  EXPECT_THAT(PlanError({.ram_size = ram, .ecam = {GuestAddress{0xF4000000}, 4096}}),
              HasSubstr("whole buses"));
  EXPECT_THAT(PlanError({.ram_size = ram, .ecam = {GuestAddress{0xC0000000}, 512 * kMiB}}),
              HasSubstr("256 MiB"));
  EXPECT_THAT(PlanError({.ram_size = ram, .ecam = {GuestAddress{0xFE000000}, 64 * kMiB}}),
              HasSubstr("IOAPIC"));
  EXPECT_THAT(PlanError({.ram_size = ram, .ecam = {GuestAddress{0}, 64 * kMiB}}),
              HasSubstr("no room"));
  EXPECT_THAT(PlanError({.ram_size = ram, .hole_start = GuestAddress{0xD0000001}}),
              HasSubstr("page boundary"));
  EXPECT_THAT(PlanError({.ram_size = ram, .hole_start = GuestAddress{0}}),
              HasSubstr("page boundary"));
}

TEST(MemoryLayoutTest, PstoreIsAtTheBottomOfHighMmio) {
  const auto layout = MemoryLayout::Plan({.ram_size = 5 * kGiB, .pstore_size = kMiB});

  ASSERT_TRUE(layout.ok()) << layout.status();
  EXPECT_EQ(layout->pstore, (MemoryRange{layout->high_ram.end(), kMiB}));
  EXPECT_EQ(layout->high_mmio.start, layout->pstore.start + 2 * kMiB);
  EXPECT_EQ(Raw(layout->high_mmio.end()), uint64_t{1} << layout->physical_bits);
}

TEST(MemoryLayoutTest, PstoreThatCannotBeIsRefused) {
  EXPECT_THAT(PlanError({.ram_size = kGiB, .pstore_size = 4097}),
              HasSubstr("--pstore: size=4097 is not made of whole pages"));
  EXPECT_THAT(PlanError({.ram_size = kGiB, .pstore_size = 64 * kGiB, .physical_bits = 36}),
              HasSubstr("--pstore: size=68719476736 is more than the 63350767616 bytes"));
}

// Holes in both parts of the RAM, among the BARs, and where nothing is.
TEST(MemoryLayoutTest, HolesAreCutOutOfRamAndWindows) {
  const MemoryRange low = {GuestAddress{64 * kMiB}, kMiB};
  const MemoryRange bars = {GuestAddress{0xE0000000}, 4096};
  const MemoryRange high = {kFourGiB, 2 * kMiB};
  const auto layout = MemoryLayout::Plan({.ram_size = 5 * kGiB, .holes = {high, bars, low}});

  ASSERT_TRUE(layout.ok()) << layout.status();
  const auto regions = layout->RamRegions();
  ASSERT_EQ(regions.size(), 3u);
  EXPECT_EQ(regions[0].size, Raw(low.start));
  EXPECT_EQ(regions[1].start, low.end());
  EXPECT_EQ(regions[1].size, kDefaultHoleStart - low.end());
  EXPECT_EQ(regions[2].start, high.end());
  EXPECT_EQ(regions[2].start + regions[2].size, layout->high_ram.end());
  EXPECT_EQ(layout->BootRamEnd(), low.start);
  EXPECT_THAT(layout->LowBarWindows(),
              ElementsAre(MemoryRange{kDefaultHoleStart, bars.start - kDefaultHoleStart},
                          MemoryRange{bars.end(), layout->ecam.start - bars.end()}));
  EXPECT_THAT(layout->HighBarWindows(), ElementsAre(layout->high_mmio));
  EXPECT_THAT(layout->E820(),
              IsSupersetOf({E820Entry{low, Type::kReserved}, E820Entry{bars, Type::kReserved},
                            E820Entry{high, Type::kReserved}}));
}

TEST(MemoryLayoutTest, HoleAtTheEndOfRamLeavesNoEmptyRegion) {
  const MemoryRange hole = {GuestAddress{511 * kMiB}, kMiB};

  const auto layout = MemoryLayout::Plan({.ram_size = 512 * kMiB, .holes = {hole}});

  ASSERT_TRUE(layout.ok()) << layout.status();
  EXPECT_EQ(layout->RamRegions().size(), 1u);
  EXPECT_EQ(layout->BootRamEnd(), hole.start);
}

TEST(MemoryLayoutTest, HolesThatCannotBeAreRefused) {
  const auto error = [](std::vector<MemoryRange> holes) {
    return PlanError({.ram_size = kGiB, .pstore_size = kMiB, .holes = std::move(holes)});
  };

  EXPECT_THAT(error({{GuestAddress{0x200001}, 4096}}), HasSubstr("whole pages"));
  EXPECT_THAT(error({{GuestAddress{0x200000}, 1}}), HasSubstr("whole pages"));
  EXPECT_THAT(error({{GuestAddress{0x200000}, 0}}), HasSubstr("whole pages"));
  EXPECT_THAT(error({{GuestAddress{0x9000}, 4096}}), HasSubstr("below 1 MiB"));
  EXPECT_THAT(error({{GuestAddress{uint64_t{1} << 39}, 4096}}), HasSubstr("passes the end"));
  EXPECT_THAT(error({{GuestAddress{~uint64_t{4095}}, 4096}}), HasSubstr("passes the end"));
  EXPECT_THAT(error({{GuestAddress{0xF4000000}, 4096}}), HasSubstr("is where the ECAM"));
  EXPECT_THAT(error({{GuestAddress{0xFEE00000}, 4096}}), HasSubstr("is where the ECAM"));
  EXPECT_THAT(error({{kFourGiB, 4096}}), HasSubstr("is where the ECAM"));
  EXPECT_THAT(error({{GuestAddress{0x200000}, 8192}, {GuestAddress{0x201000}, 4096}}),
              HasSubstr("--file-backed-mapping: 0x201000 of 0x1000 bytes overlaps another"));
}

TEST(MemoryLayoutTest, BarsStayOutOfWhatIsKeptFree) {
  const MemoryRange low = {GuestAddress{0xD0000000}, 16 * kMiB};
  const MemoryRange everywhere_high = {kFourGiB, uint64_t{1} << 60};

  const auto layout =
      MemoryLayout::Plan({.ram_size = kGiB, .without_bars = {everywhere_high, low}});

  ASSERT_TRUE(layout.ok()) << layout.status();
  EXPECT_THAT(layout->LowBarWindows(),
              ElementsAre(MemoryRange{low.end(), layout->ecam.start - low.end()}));
  EXPECT_TRUE(layout->HighBarWindows().empty());
  EXPECT_EQ(layout->RamRegions().size(), 1u);
}

TEST(MemoryLayoutTest, AFirmwareMayPlaceBarsAnywhereBetweenRamAndIoapicButInTheEcam) {
  MemoryLayoutOptions options = {.ram_size = 512 * kMiB, .firmware_places_bars = true};
  const std::vector<MemoryRange> small = MemoryLayout::Plan(options)->LowBarWindows();
  options.ram_size = 4 * kGiB;
  options.without_bars = {{GuestAddress{0xF8000000}, kMiB}};
  const std::vector<MemoryRange> large = MemoryLayout::Plan(options)->LowBarWindows();

  const auto between = [](uint64_t start, uint64_t end) {
    return MemoryRange{GuestAddress{start}, end - start};
  };
  EXPECT_THAT(small, ElementsAre(between(0x80000000, 0xF4000000), between(0xF8000000, 0xFEC00000)));
  EXPECT_THAT(large, ElementsAre(between(0xD0000000, 0xF4000000), between(0xF8100000, 0xFEC00000)));
}

TEST(MemoryLayoutTest, AFirmwaresMemoryMapHasRamFromZero) {
  const std::vector<E820Entry> map = MemoryLayout::Plan({.ram_size = 512 * kMiB})->FirmwareE820();

  EXPECT_EQ(map.front(), (E820Entry{{GuestAddress{0}, 512 * kMiB}, E820Entry::Type::kRam}));
  EXPECT_EQ(map.size(), 3u);  // The ECAM and KVM's pages.
}

TEST(MemoryLayoutTest, HoleWithoutRoomForBarsIsRefused) {
  EXPECT_THAT(PlanError({.ram_size = 512 * kMiB,
                         .hole_start = GuestAddress{0xF3800000},
                         .ecam = {GuestAddress{0xF4000000}, 170 * kMiB}}),
              HasSubstr("for the BARs"));
}

TEST(MemoryLayoutTest, HoleMayBeRamOfItsOwn) {
  const MemoryRange ram = {GuestAddress{0x8000000}, kMiB}, other = {GuestAddress{0x9000000}, kMiB};

  const MemoryLayout layout =
      MemoryLayout::Plan({.ram_size = 64 * kMiB, .holes = {ram, other}, .ram_in_holes = {ram}})
          .value();

  EXPECT_THAT(layout.E820(), testing::IsSupersetOf({E820Entry{ram, E820Entry::Type::kRam},
                                                    E820Entry{other, E820Entry::Type::kReserved}}));
  EXPECT_EQ(layout.RamRegions().size(), 1u);
}

}  // namespace
}  // namespace touchstone
