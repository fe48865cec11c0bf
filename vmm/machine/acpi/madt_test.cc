#include "vmm/machine/acpi/madt.h"

#include <cstdint>
#include <vector>

#include "absl/types/span.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "vmm/machine/acpi/acpi_testing.h"
#include "vmm/machine/acpi/sdt.h"

namespace touchstone {
namespace {

using ::testing::ElementsAre;
using ::testing::ElementsAreArray;

using Bytes = std::vector<uint8_t>;

// The entries of one type, each with its type and length bytes.
std::vector<Bytes> Entries(const Bytes& madt, uint8_t type) {
  std::vector<Bytes> entries;
  for (size_t at = 44; at < madt.size(); at += madt[at + 1]) {
    if (madt[at] == type) {
      entries.emplace_back(madt.begin() + static_cast<ptrdiff_t>(at),
                           madt.begin() + static_cast<ptrdiff_t>(at + madt[at + 1]));
    }
  }
  return entries;
}

constexpr uint8_t kLapic = 0, kIoapic = 1, kOverride = 2, kNmi = 4, kX2apic = 9, kX2apicNmi = 10;

TEST(MadtTest, OneProcessorByteForByte) {
  AcpiConfig config;
  config.apic_ids = {0};

  const Bytes madt = BuildMadt(config, {});

  EXPECT_TRUE(ValidateSdt(madt).ok());
  EXPECT_THAT(
      absl::MakeConstSpan(madt).subspan(36),
      ElementsAreArray<uint8_t>({0, 0,  0xE0, 0xFE, 1, 0, 0,    0,  // PCAT_COMPAT
                                 0, 8,  0,    0,    1, 0, 0,    0,  // local APIC 0
                                 1, 12, 0,    0,    0, 0, 0xC0, 0xFE, 0,    0, 0, 0,  // IOAPIC
                                 2, 10, 0,    9,    9, 0, 0,    0,    0x0F, 0,        // SCI
                                 4, 6,  0xFF, 0,    0, 1}));  // LINT1 is NMI
}

TEST(MadtTest, ProcessorsFrom255OnAreX2Apic) {
  AcpiConfig config;
  config.apic_ids = {0, 254, 255, 300};

  const Bytes madt = BuildMadt(config, {});

  EXPECT_THAT(Entries(madt, kLapic), ElementsAre(ElementsAre(0, 8, 0, 0, 1, 0, 0, 0),
                                                 ElementsAre(0, 8, 1, 254, 1, 0, 0, 0)));
  EXPECT_THAT(Entries(madt, kX2apic),
              ElementsAre(ElementsAre(9, 16, 0, 0, 255, 0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0),
                          ElementsAre(9, 16, 0, 0, 0x2C, 1, 0, 0, 1, 0, 0, 0, 3, 0, 0, 0)));
  EXPECT_EQ(Entries(madt, kNmi).size(), 1u);
  EXPECT_EQ(Entries(madt, kX2apicNmi).size(), 1u);
}

TEST(MadtTest, ReadsItsOwnOverrides) {
  AcpiConfig config = TypicalAcpiConfig(64, 32);
  config.interrupts.timer_pin = 2;

  const auto overrides = ReadInterruptOverrides(BuildMadt(config, {})).value();

  ASSERT_EQ(overrides.size(), 2u);
  EXPECT_EQ(overrides[0].source, 0);
  EXPECT_EQ(overrides[0].gsi, 2u);
  EXPECT_EQ(overrides[0].flags, kIntiConforming);
  EXPECT_EQ(overrides[1].source, 9);
  EXPECT_EQ(overrides[1].flags, kIntiLevelLow);
}

TEST(MadtTest, PciInterruptsBelow16AreLevelLowOthersNeedNothing) {
  AcpiConfig config;
  config.apic_ids = {0};
  config.pci.routes = {{1, 0, 10}, {2, 0, 11}, {3, 0, 10}, {4, 0, 16}};

  const std::vector<Bytes> entries = Entries(BuildMadt(config, {}), kOverride);

  EXPECT_THAT(entries, ElementsAre(ElementsAre(2, 10, 0, 9, 9, 0, 0, 0, 0x0F, 0),
                                   ElementsAre(2, 10, 0, 10, 10, 0, 0, 0, 0x0F, 0),
                                   ElementsAre(2, 10, 0, 11, 11, 0, 0, 0, 0x0F, 0)));
}

TEST(MadtTest, GivenOverrideTakesThePlaceOfOurs) {
  AcpiConfig config;
  config.apic_ids = {0};
  InterruptOverride sci;
  sci.source = 9;
  sci.gsi = uint32_t{9};
  sci.flags = uint16_t{0x0D};

  const std::vector<Bytes> entries = Entries(BuildMadt(config, {sci}), kOverride);

  EXPECT_THAT(entries, ElementsAre(ElementsAre(2, 10, 0, 9, 9, 0, 0, 0, 0x0D, 0)));
}

TEST(MadtTest, IoapicAsConfigured) {
  AcpiConfig config;
  config.apic_ids = {0};
  config.interrupts.ioapic_id = 5;
  config.interrupts.ioapic_address = 0x12345678;

  EXPECT_THAT(Entries(BuildMadt(config, {}), kIoapic),
              ElementsAre(ElementsAre(1, 12, 5, 0, 0x78, 0x56, 0x34, 0x12, 0, 0, 0, 0)));
}

}  // namespace
}  // namespace touchstone
