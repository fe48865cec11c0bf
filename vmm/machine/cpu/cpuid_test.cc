#include "vmm/machine/cpu/cpuid.h"

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <optional>
#include <set>
#include <string>
#include <tuple>
#include <vector>

#include "base/bits.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace touchstone {
namespace {

using ::testing::AllOf;
using ::testing::Field;
using ::testing::Optional;

using Cpuid = std::vector<CpuidEntry>;

// Leaf 1 of a host: its own APIC id and thread count, which must not get through.
constexpr CpuidEntry kHostFeatures = {
    .function = 1, .eax = 0x806F8, .ebx = 0xAB400800, .ecx = 0x76FA3223, .edx = 0x178BFBFF};

// What KVM supports on an Intel host, shortened.
Cpuid IntelSupported() {
  return {
      {.function = 0, .eax = 0x1F, .ebx = 0x756E6547, .ecx = 0x6C65746E, .edx = 0x49656E69},
      kHostFeatures,
      // Level 1 data and instructions, level 2, level 3 of 64 threads, the end.
      {.function = 4, .index = 0, .significant_index = true, .eax = 0xFC004121, .ebx = 0x02C0003F},
      {.function = 4, .index = 1, .significant_index = true, .eax = 0xFC004122, .ebx = 0x01C0003F},
      {.function = 4, .index = 2, .significant_index = true, .eax = 0xFC004143, .ebx = 0x03C0003F},
      {.function = 4, .index = 3, .significant_index = true, .eax = 0xFC0FC163, .ebx = 0x04C0003F},
      {.function = 4, .index = 4, .significant_index = true},
      {.function = 7, .significant_index = true, .eax = 1, .ebx = 0xF1BF07AD, .ecx = 0x5B415F6E},
      {.function = 7, .index = 1, .significant_index = true, .eax = 0x1C30, .ebx = 4},
      {.function = 0xB, .significant_index = true, .eax = 7, .ebx = 99, .ecx = 0x100, .edx = 99},
      {.function = 0x12, .significant_index = true, .eax = 0x403},
      {.function = 0x1F, .significant_index = true, .eax = 7, .ebx = 99, .ecx = 0x100, .edx = 99},
      {.function = 0x40000000, .eax = 0x40000001, .ebx = 0x4B4D564B, .ecx = 0x564B4D56, .edx = 77},
      {.function = 0x40000001, .eax = 0x01007EFB},
      {.function = 0x80000000, .eax = 0x80000008},
      {.function = 0x80000002, .eax = 0x65746E49, .ebx = 0x2952286C},
      {.function = 0x80000008, .eax = 0x302E, .ebx = 0x0100D000},
  };
}

Cpuid AmdSupported() {
  return {
      {.function = 0, .eax = 0x10, .ebx = 0x68747541, .ecx = 0x444D4163, .edx = 0x69746E65},
      kHostFeatures,
      {.function = 7, .significant_index = true, .ebx = 0x219C07AB},
      {.function = 0x40000000, .eax = 0x40000001, .ebx = 0x4B4D564B},
      {.function = 0x80000000, .eax = 0x8000001F},
      {.function = 0x80000001, .ecx = 0x00C003F7, .edx = 0x2FD3FBFF},
      {.function = 0x80000008, .eax = 0x3030, .ecx = 0x7060},
      {.function = 0x8000000A, .eax = 1, .ebx = 8},
      {.function = 0x8000001D, .index = 0, .significant_index = true, .eax = 0x4121},
      {.function = 0x8000001D, .index = 2, .significant_index = true, .eax = 0x4143},
      {.function = 0x8000001D, .index = 3, .significant_index = true, .eax = 0x3C163},
      {.function = 0x8000001E, .eax = 99, .ebx = 99, .ecx = 99},
      {.function = 0x8000001F, .eax = 0x1003F},
  };
}

// A leaf that occurs exactly once.
std::optional<CpuidEntry> Leaf(const Cpuid& cpuid, uint32_t function, uint32_t index = 0) {
  std::vector<CpuidEntry> found;
  std::copy_if(cpuid.begin(), cpuid.end(), std::back_inserter(found), [&](const auto& entry) {
    return entry.function == function && entry.index == index;
  });
  if (found.size() != 1) return std::nullopt;
  return found[0];
}

Cpuid Guest(const Cpuid& supported, uint32_t vcpus, uint32_t index, bool smt = true) {
  CpuidOptions options;
  options.topology = ChooseTopology(vcpus, smt);
  options.index = index;
  return GuestCpuid(supported, options);
}

enum class Vendor { kIntel, kAmd };

struct Case {
  uint32_t vcpus;
  bool smt;
  // Expected.
  uint32_t threads_per_core;
  uint32_t thread_shift;
  uint32_t socket_shift;
};

class CpuidTopologyTest : public testing::TestWithParam<std::tuple<Vendor, Case>> {
 protected:
  [[nodiscard]] Cpuid Supported() const {
    return std::get<0>(GetParam()) == Vendor::kIntel ? IntelSupported() : AmdSupported();
  }
  [[nodiscard]] const Case& Expected() const { return std::get<1>(GetParam()); }
  [[nodiscard]] Cpuid Last() const {
    return Guest(Supported(), Expected().vcpus, Expected().vcpus - 1, Expected().smt);
  }
};

TEST_P(CpuidTopologyTest, LeafBHasBothLevelsAndAnEnd) {
  const Case& expected = Expected();
  const Cpuid cpuid = Last();
  const uint32_t id = expected.vcpus - 1;

  EXPECT_THAT(Leaf(cpuid, 0xB, 0),
              Optional(AllOf(Field(&CpuidEntry::eax, expected.thread_shift),
                             Field(&CpuidEntry::ebx, expected.threads_per_core),
                             Field(&CpuidEntry::ecx, 0x100u), Field(&CpuidEntry::edx, id))));
  EXPECT_THAT(Leaf(cpuid, 0xB, 1),
              Optional(AllOf(Field(&CpuidEntry::eax, expected.socket_shift),
                             Field(&CpuidEntry::ebx, expected.vcpus),
                             Field(&CpuidEntry::ecx, 0x201u), Field(&CpuidEntry::edx, id))));
  EXPECT_THAT(Leaf(cpuid, 0xB, 2),
              Optional(AllOf(Field(&CpuidEntry::eax, 0u), Field(&CpuidEntry::ebx, 0u),
                             Field(&CpuidEntry::ecx, 2u), Field(&CpuidEntry::edx, id))));
}

TEST_P(CpuidTopologyTest, Leaf1HasTheApicIdAndThreadCount) {
  const Case& expected = Expected();

  const CpuidEntry leaf = Leaf(Last(), 1).value();

  EXPECT_EQ(leaf.ebx, (expected.vcpus - 1) << 24 | expected.vcpus << 16 | 0x0800);
  EXPECT_EQ((leaf.edx & Bit(28)) != 0, expected.vcpus > 1);
}

TEST_P(CpuidTopologyTest, ApicIdsAreUnique) {
  std::set<uint32_t> ids;
  for (uint32_t i = 0; i < Expected().vcpus; ++i) {
    ids.insert(Leaf(Guest(Supported(), Expected().vcpus, i, Expected().smt), 0xB, 1)->edx);
  }

  EXPECT_EQ(ids.size(), Expected().vcpus);
}

INSTANTIATE_TEST_SUITE_P(All, CpuidTopologyTest,
                         testing::Combine(testing::Values(Vendor::kIntel, Vendor::kAmd),
                                          testing::Values(Case{1, true, 1, 0, 0},    //
                                                          Case{2, true, 2, 1, 1},    //
                                                          Case{3, true, 1, 0, 2},    //
                                                          Case{4, true, 2, 1, 2},    //
                                                          Case{8, true, 2, 1, 3},    //
                                                          Case{8, false, 1, 0, 3},   //
                                                          Case{64, true, 2, 1, 6},   //
                                                          Case{64, false, 1, 0, 6},  //
                                                          Case{254, true, 2, 1, 8})));

TEST(CpuidTest, IntelCachesAreSharedByCoreAndSocket) {
  const Cpuid cpuid = Guest(IntelSupported(), 8, 0);

  // Cores of the socket in bits 31 to 26, sharing threads in 25 to 14, both less one.
  EXPECT_EQ(Leaf(cpuid, 4, 0)->eax, 3u << 26 | 1u << 14 | 0x121);
  EXPECT_EQ(Leaf(cpuid, 4, 2)->eax, 3u << 26 | 1u << 14 | 0x143);
  EXPECT_EQ(Leaf(cpuid, 4, 3)->eax, 3u << 26 | 7u << 14 | 0x163);
  EXPECT_EQ(Leaf(cpuid, 4, 4)->eax, 0u);
  EXPECT_EQ(Leaf(cpuid, 4, 3)->ebx, 0x04C0003Fu);
}

TEST(CpuidTest, ClusterSharesLevel2) {
  CpuidOptions options = {.topology = ChooseTopology(8, true)};
  options.place = CpuPlace{.apic_id = 6, .l2_bits = 2};

  const Cpuid intel = GuestCpuid(IntelSupported(), options);
  const Cpuid amd = GuestCpuid(AmdSupported(), options);

  EXPECT_EQ(Leaf(intel, 4, 0)->eax, 3u << 26 | 1u << 14 | 0x121);
  EXPECT_EQ(Leaf(intel, 4, 2)->eax, 3u << 26 | 3u << 14 | 0x143);
  EXPECT_EQ(Leaf(intel, 4, 3)->eax, 3u << 26 | 7u << 14 | 0x163);
  EXPECT_EQ(Leaf(intel, 0xB, 0)->edx, 6u);
  EXPECT_EQ(Leaf(intel, 1)->ebx >> 24, 6u);
  EXPECT_EQ(Leaf(amd, 0x8000001D, 0)->eax, 1u << 14 | 0x121);
  EXPECT_EQ(Leaf(amd, 0x8000001D, 2)->eax, 3u << 14 | 0x143);
  EXPECT_EQ(Leaf(amd, 0x8000001E)->eax, 6u);
}

TEST(CpuidTest, ClusterHasItsLeafWhereTheHypervisorHidesIt) {
  Cpuid supported = AmdSupported();
  std::erase_if(supported, [](const CpuidEntry& entry) {
    return entry.function == 0x8000001D || entry.function == 0x8000001E;
  });
  supported[4].eax = 0x80000008;
  supported[5].ecx &= ~Bit(22);
  supported.push_back({.function = 0x80000005, .ecx = 0x40020140, .edx = 0x40020140});
  supported.push_back({.function = 0x80000006, .ecx = 0x02008140});
  CpuidOptions options = {.topology = ChooseTopology(8, true)};
  const Cpuid without = GuestCpuid(supported, options);
  options.place = CpuPlace{.apic_id = 6, .l2_bits = 3};

  const Cpuid with = GuestCpuid(supported, options);

  EXPECT_FALSE(Leaf(without, 0x8000001D, 2).has_value());
  EXPECT_EQ(Leaf(with, 0x8000001D, 2)->eax, 7u << 14 | 0x143);
  EXPECT_EQ(Leaf(with, 0x8000001E)->eax, 6u);
  EXPECT_EQ(Leaf(with, 0x80000001)->ecx & Bit(22), Bit(22));
  EXPECT_EQ(Leaf(with, 0x80000000)->eax, 0x8000001Eu);
}

TEST(CpuidTest, IntelCacheLeafCountsAtMost64Cores) {
  EXPECT_EQ(Leaf(Guest(IntelSupported(), 254, 0), 4, 0)->eax >> 26, 63u);
}

TEST(CpuidTest, Leaf1FIsThereOnlyWhereTheHostHasIt) {
  EXPECT_EQ(Leaf(Guest(IntelSupported(), 4, 3), 0x1F, 1)->ebx, 4u);
  EXPECT_FALSE(Leaf(Guest(AmdSupported(), 4, 3), 0x1F, 1).has_value());
}

TEST(CpuidTest, AmdTopologyLeaves) {
  const Cpuid cpuid = Guest(AmdSupported(), 8, 5);

  EXPECT_EQ(Leaf(cpuid, 0x80000001)->ecx & Bit(1), Bit(1));  // CmpLegacy
  EXPECT_EQ(Leaf(cpuid, 0x80000008)->ecx, 0x3007u);
  EXPECT_EQ(Leaf(cpuid, 0x80000008)->eax, 0x3030u);
  EXPECT_EQ(Leaf(cpuid, 0x8000001E)->eax, 5u);
  EXPECT_EQ(Leaf(cpuid, 0x8000001E)->ebx, 0x102u);  // two threads; core 2
  EXPECT_EQ(Leaf(cpuid, 0x8000001E)->ecx, 0u);
  EXPECT_EQ(Leaf(cpuid, 0x8000001D, 0)->eax, 1u << 14 | 0x121);
  EXPECT_EQ(Leaf(cpuid, 0x8000001D, 3)->eax, 7u << 14 | 0x163);
}

TEST(CpuidTest, AmdCoreIdsReach127) {
  EXPECT_EQ(Leaf(Guest(AmdSupported(), 254, 253), 0x8000001E)->ebx, 0x100u | 126);
}

TEST(CpuidTest, AmdSingleProcessorIsNoMultiCore) {
  const Cpuid cpuid = Guest(AmdSupported(), 1, 0);

  EXPECT_EQ(Leaf(cpuid, 0x80000001)->ecx & Bit(1), 0u);
  EXPECT_EQ(Leaf(cpuid, 0x80000008)->ecx, 0u);
}

TEST(CpuidTest, AmdWithoutTopologyExtensionsHasNoTopologyLeaf) {
  Cpuid supported = AmdSupported();
  supported[5].ecx &= ~Bit(22);

  EXPECT_FALSE(Leaf(Guest(supported, 4, 0), 0x8000001E).has_value());
}

TEST(CpuidTest, OldProcessorsGetLeafB) {
  Cpuid supported = AmdSupported();
  supported[0].eax = 6;

  const Cpuid cpuid = Guest(supported, 2, 1);

  EXPECT_EQ(Leaf(cpuid, 0)->eax, 0xBu);
  EXPECT_EQ(Leaf(cpuid, 0xB, 0)->edx, 1u);
}

TEST(CpuidTest, HypervisorIsAnnouncedAndItsLeavesStay) {
  const Cpuid cpuid = Guest(IntelSupported(), 1, 0);

  EXPECT_NE(Leaf(cpuid, 1)->ecx & Bit(31), 0u);
  EXPECT_EQ(Leaf(cpuid, 0x40000001)->eax, 0x01007EFBu);
  EXPECT_EQ(Leaf(cpuid, 0x80000002)->eax, 0x65746E49u);
}

TEST(CpuidTest, BrandFillsThreeLeaves) {
  CpuidOptions options;
  options.brand = "0123456789ABCDEF0123";

  const Cpuid cpuid = GuestCpuid(IntelSupported(), options);

  EXPECT_EQ(Leaf(cpuid, 0x80000002)->eax, 0x33323130u);
  EXPECT_EQ(Leaf(cpuid, 0x80000002)->edx, 0x46454443u);
  EXPECT_EQ(Leaf(cpuid, 0x80000003)->eax, 0x33323130u);
  EXPECT_EQ(Leaf(cpuid, 0x80000003)->ebx, 0u);
  EXPECT_EQ(Leaf(cpuid, 0x80000004)->edx, 0u);
  EXPECT_EQ(Leaf(cpuid, 0x80000000)->eax, 0x80000008u);
}

TEST(CpuidTest, LongBrandIsCut) {
  CpuidOptions options;
  options.brand = std::string(100, 'x');

  const Cpuid cpuid = GuestCpuid({}, options);

  EXPECT_EQ(Leaf(cpuid, 0x80000004)->edx, 0x78787878u);
  EXPECT_EQ(Leaf(cpuid, 0x80000000)->eax, 0x80000004u);
}

TEST(CpuidTest, X2apicFollowsTheCaller) {
  CpuidOptions options;
  const uint32_t with = Leaf(GuestCpuid(IntelSupported(), options), 1)->ecx;
  options.x2apic = false;
  const uint32_t without = Leaf(GuestCpuid(IntelSupported(), options), 1)->ecx;

  EXPECT_EQ(with & Bit(21), Bit(21));
  EXPECT_EQ(without & Bit(21), 0u);
}

TEST(CpuidTest, TscDeadlineTimerFollowsTheHypervisor) {
  Cpuid supported = IntelSupported();
  supported[1].ecx &= ~Bit(24);
  const uint32_t without = Leaf(Guest(supported, 1, 0), 1)->ecx;
  supported[1].ecx |= Bit(24);
  const uint32_t with = Leaf(Guest(supported, 1, 0), 1)->ecx;

  EXPECT_EQ(without & Bit(24), 0u);
  EXPECT_EQ(with & Bit(24), Bit(24));
}

// The sizes of the extended state are the host's; the sum over what is enabled, KVM's to keep.
TEST(CpuidTest, ExtendedStateLeavesAreTheHypervisors) {
  Cpuid supported = IntelSupported();
  const Cpuid state = {
      {.function = 0xD, .significant_index = true, .eax = 0x207, .ebx = 0x240, .ecx = 0xA88},
      {.function = 0xD, .index = 1, .significant_index = true, .eax = 5, .ebx = 0x240},
      {.function = 0xD, .index = 9, .significant_index = true, .eax = 8, .ebx = 0xA80},
  };
  supported.insert(supported.end(), state.begin(), state.end());

  const Cpuid cpuid = Guest(supported, 2, 1);

  EXPECT_THAT(cpuid, ::testing::IsSupersetOf(state));
}

TEST(CpuidTest, EnclavesAndEncryptionAreNotGiven) {
  const Cpuid intel = Guest(IntelSupported(), 1, 0), amd = Guest(AmdSupported(), 1, 0);

  EXPECT_EQ(Leaf(intel, 7)->ebx, 0xF1BF07A9u);
  EXPECT_EQ(Leaf(intel, 7)->ecx, 0x1B415F6Eu);
  EXPECT_EQ(Leaf(intel, 7, 1)->ebx, 4u);
  EXPECT_FALSE(Leaf(intel, 0x12).has_value());
  EXPECT_FALSE(Leaf(amd, 0x8000001F).has_value());
}

TEST(CpuidTest, NestedVirtualizationCanBeWithheld) {
  CpuidOptions options;
  const Cpuid with_intel = GuestCpuid(IntelSupported(), options);
  const Cpuid with_amd = GuestCpuid(AmdSupported(), options);
  options.nested_virtualization = false;
  const Cpuid without_intel = GuestCpuid(IntelSupported(), options);
  const Cpuid without_amd = GuestCpuid(AmdSupported(), options);

  EXPECT_NE(Leaf(with_intel, 1)->ecx & Bit(5), 0u);
  EXPECT_NE(Leaf(with_amd, 0x80000001)->ecx & Bit(2), 0u);
  EXPECT_EQ(Leaf(without_intel, 1)->ecx & Bit(5), 0u);
  EXPECT_EQ(Leaf(without_amd, 0x80000001)->ecx & Bit(2), 0u);
  EXPECT_FALSE(Leaf(without_amd, 0x8000000A).has_value());
}

class TscLeafTest : public testing::TestWithParam<uint32_t> {};

TEST_P(TscLeafTest, SaysTheFrequencyWithin20PartsPerMillion) {
  CpuidOptions options;
  options.tsc_khz = GetParam();

  const CpuidEntry leaf = Leaf(GuestCpuid(IntelSupported(), options), 0x15).value();

  EXPECT_EQ(leaf.ecx, 1'000'000'000u);
  EXPECT_LT(leaf.ebx, 4295u);
  const double khz = 1e6 * leaf.ebx / leaf.eax;
  EXPECT_NEAR(khz, GetParam(), GetParam() * 20e-6);
}

INSTANTIATE_TEST_SUITE_P(All, TscLeafTest,
                         testing::Values(1'000'000, 1'999'999, 2'499'667, 2'593'906, 3'000'000,
                                         3'700'123, 4'200'000));

TEST(CpuidTest, TscLeafIsIntelsAndOnlyForAKnownFrequency) {
  CpuidOptions options;
  EXPECT_FALSE(Leaf(GuestCpuid(IntelSupported(), options), 0x15).has_value());
  options.tsc_khz = 2'500'000;
  EXPECT_TRUE(Leaf(GuestCpuid(IntelSupported(), options), 0x15).has_value());
  EXPECT_FALSE(Leaf(GuestCpuid(AmdSupported(), options), 0x15).has_value());
}

TEST(CpuidTest, EmptyListStillMakesAProcessor) {
  const Cpuid cpuid = Guest({}, 2, 1);

  EXPECT_EQ(Leaf(cpuid, 0)->eax, 0xBu);
  EXPECT_EQ(Leaf(cpuid, 1)->ebx >> 24, 1u);
}

TEST(PhysicalAddressBitsTest, ComesFromTheList) {
  EXPECT_EQ(PhysicalAddressBits(IntelSupported()), 46);
  EXPECT_EQ(PhysicalAddressBits(AmdSupported()), 48);
  EXPECT_EQ(PhysicalAddressBits({}), 36);
  EXPECT_EQ(PhysicalAddressBits({{CpuidEntry{.function = 0x80000008, .eax = 0xFF}}}), 52);
  EXPECT_EQ(PhysicalAddressBits({{CpuidEntry{.function = 0x80000008, .eax = 0}}}), 32);
}

// Thread 1 of core 20 of a host of 64 threads.
HostCpu IntelHostCpu() {
  return {.apic_id = 41,
          .leaves = {
              {.function = 1, .eax = 7, .ebx = 0x29400800, .ecx = 7, .edx = 0x10000000},
              {.function = 4, .index = 0, .significant_index = true, .eax = 0x7C004121, .ebx = 5},
              {.function = 4, .index = 1, .significant_index = true},
              {.function = 0xB,
               .index = 0,
               .significant_index = true,
               .eax = 1,
               .ebx = 2,
               .ecx = 0x100,
               .edx = 41},
              {.function = 0xB,
               .index = 1,
               .significant_index = true,
               .eax = 7,
               .ebx = 64,
               .ecx = 0x201,
               .edx = 41},
              {.function = 0xB, .index = 2, .significant_index = true, .ecx = 2, .edx = 41},
          }};
}

TEST(HostTopologyTest, LeavesOfTopologyAreTheHosts) {
  const HostCpu host = IntelHostCpu();

  const Cpuid leaves = GuestCpuid(IntelSupported(), {.index = 3, .host = &host});

  EXPECT_EQ(Leaf(leaves, 4, 0)->eax, 0x7C004121u);
  EXPECT_EQ(Leaf(leaves, 4, 2), std::nullopt);
  EXPECT_EQ(Leaf(leaves, 0xB, 0)->ebx, 2u);
  EXPECT_EQ(Leaf(leaves, 0xB, 1)->ebx, 64u);
  EXPECT_EQ(Leaf(leaves, 0xB, 1)->edx, 41u);
  EXPECT_EQ(Leaf(leaves, 0x1F), std::nullopt);
}

TEST(HostTopologyTest, OfTheFeaturesOnlyTheThreadsAreTheHosts) {
  const HostCpu host = IntelHostCpu();

  const CpuidEntry features = *Leaf(GuestCpuid(IntelSupported(), {.index = 3, .host = &host}), 1);

  EXPECT_EQ(features.eax, kHostFeatures.eax);
  EXPECT_EQ(features.ebx, 0x29400800u | (kHostFeatures.ebx & 0xFFFF));
  EXPECT_EQ(features.ecx & 0x7FDFFFFF, kHostFeatures.ecx & 0x7FDFFFFF);
}

TEST(HostTopologyTest, AmdCoresAreTheHosts) {
  const HostCpu host = {.apic_id = 9,
                        .leaves = {{.function = 1, .ebx = 0x09100800, .edx = 0x10000000},
                                   {.function = 0x80000001, .ecx = 2},
                                   {.function = 0x80000008, .eax = 1, .ecx = 0x400F},
                                   {.function = 0x8000001E, .eax = 9, .ebx = 0x104, .ecx = 0}}};

  const Cpuid leaves = GuestCpuid(AmdSupported(), {.index = 0, .host = &host});

  EXPECT_EQ(Leaf(leaves, 0x80000008)->ecx & 0xF0FF, 0x400Fu);
  EXPECT_NE(Leaf(leaves, 0x80000008)->eax, 1u);
  EXPECT_EQ(Leaf(leaves, 0x8000001E)->ebx, 0x104u);
  EXPECT_EQ(Leaf(leaves, 0x80000001)->ecx & 2, 2u);
}

TEST(CoreTypeTest, IsToldByItsLeaf) {
  const Cpuid leaves =
      GuestCpuid(IntelSupported(),
                 {.topology = ChooseTopology(2, true), .index = 1, .core_type = CoreType::kAtom});

  EXPECT_EQ(Leaf(leaves, 0x1A)->eax, 0x20000000u);
  EXPECT_EQ(Leaf(leaves, 7)->edx & (1 << 15), 1u << 15);
  EXPECT_GE(Leaf(leaves, 0)->eax, 0x1Au);
}

TEST(CoreTypeTest, WithoutOneThereIsNoLeaf) {
  const Cpuid leaves = GuestCpuid(IntelSupported(), {.topology = ChooseTopology(2, true)});

  EXPECT_EQ(Leaf(leaves, 0x1A), std::nullopt);
}

TEST(ForcedTscLeafTest, IsThereOnAmdToo) {
  const Cpuid leaves = GuestCpuid(
      AmdSupported(),
      {.topology = ChooseTopology(1, true), .tsc_khz = 2'000'000, .force_tsc_leaf = true});

  EXPECT_EQ(Leaf(leaves, 0x15)->ebx, 2u * Leaf(leaves, 0x15)->eax);
  EXPECT_EQ(Leaf(leaves, 0x15)->ecx, 1'000'000'000u);
}

TEST(GuestCpuidTest, HardwarePStatesAreTheHostsThatItMayHave) {
  const CpuidEntry host = {.function = 6, .eax = 0xFFFFFFFF, .ebx = 2, .ecx = 0xFFFFFFFF, .edx = 7};
  Cpuid supported = IntelSupported();
  supported.push_back({.function = 6, .eax = Bit(2)});
  const auto leaf = [&](const CpuidEntry* hwp, bool turbo_boost_max = false) {
    const Cpuid leaves = GuestCpuid(
        supported,
        {.topology = ChooseTopology(1, false), .hwp = hwp, .turbo_boost_max = turbo_boost_max});
    return *std::find_if(leaves.begin(), leaves.end(),
                         [](const CpuidEntry& entry) { return entry.function == 6; });
  };

  EXPECT_EQ(leaf(nullptr).eax, Bit(2));
  EXPECT_EQ(leaf(nullptr).ecx, 0u);
  // Not bit 8 (notifications) nor bit 11 (the package's request).
  EXPECT_EQ(leaf(&host).eax, Bit(2) | Bit(7) | Bit(9) | Bit(10));
  EXPECT_EQ(leaf(&host, true).eax, leaf(&host).eax | Bit(14));
  EXPECT_EQ(leaf(&host).ecx, Bit(0));
  EXPECT_EQ(leaf(&host).edx, 0u);
  const CpuidEntry none = {.function = 6};
  EXPECT_EQ(leaf(&none, true).eax, Bit(2));
}

}  // namespace
}  // namespace touchstone
