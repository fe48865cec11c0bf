#include "vmm/machine/acpi/fadt.h"

#include <cstdint>
#include <vector>

#include "absl/types/span.h"
#include "base/bits.h"
#include "base/endian.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "vmm/machine/acpi/acpi_testing.h"
#include "vmm/machine/acpi/sdt.h"

namespace touchstone {
namespace {

using ::testing::ElementsAre;
using ::testing::ElementsAreArray;

// Offsets in the table, ACPI 6.4, table 5.33.
constexpr size_t kSciInt = 46, kSmiCmd = 48, kPm1aEvt = 56, kPm1aCnt = 64, kPmTmr = 76, kGpe0 = 80;
constexpr size_t kLengths = 88, kPmTmrLength = 91, kGpe0Length = 92;
constexpr size_t kAlarms = 106, kBootArch = 109, kFlags = 112, kResetReg = 116, kResetValue = 128;
constexpr size_t kMinorVersion = 131, kXPm1aEvt = 148, kXPm1aCnt = 172, kXPmTmr = 208, kXGpe0 = 220;

uint64_t At(const std::vector<uint8_t>& table, size_t offset, size_t size) {
  return LoadLe(absl::MakeConstSpan(table).subspan(offset, size));
}

absl::Span<const uint8_t> Address(const std::vector<uint8_t>& table, size_t offset) {
  return absl::MakeConstSpan(table).subspan(offset, 12);
}

TEST(FadtTest, IsOfRevision63) {
  const std::vector<uint8_t> fadt = BuildFadt(TypicalAcpiConfig(1, 1));

  EXPECT_EQ(fadt.size(), 276u);
  EXPECT_EQ(fadt[8], 6);
  EXPECT_EQ(fadt[kMinorVersion], 3);
  EXPECT_TRUE(ValidateSdt(fadt).ok());
}

TEST(FadtTest, OldAndExtendedAddressesAgree) {
  AcpiConfig config = TypicalAcpiConfig(1, 1);
  config.power.gpe0_length = 16;

  const std::vector<uint8_t> fadt = BuildFadt(config);

  EXPECT_EQ(At(fadt, kSciInt, 2), 9u);
  EXPECT_EQ(At(fadt, kSmiCmd, 4), 0u);
  EXPECT_EQ(At(fadt, kPm1aEvt, 4), 0x600u);
  EXPECT_EQ(At(fadt, kPm1aCnt, 4), 0x604u);
  EXPECT_EQ(At(fadt, kPmTmr, 4), 0x608u);
  EXPECT_EQ(At(fadt, kGpe0, 4), 0x620u);
  EXPECT_THAT(absl::MakeConstSpan(fadt).subspan(kLengths, 6), ElementsAre(4, 2, 0, 4, 16, 0));
  EXPECT_THAT(Address(fadt, kXPm1aEvt), ElementsAre(1, 32, 0, 2, 0, 6, 0, 0, 0, 0, 0, 0));
  EXPECT_THAT(Address(fadt, kXPm1aCnt), ElementsAre(1, 16, 0, 2, 4, 6, 0, 0, 0, 0, 0, 0));
  EXPECT_THAT(Address(fadt, kXPmTmr), ElementsAre(1, 32, 0, 3, 8, 6, 0, 0, 0, 0, 0, 0));
  EXPECT_THAT(Address(fadt, kXGpe0), ElementsAre(1, 128, 0, 1, 0x20, 6, 0, 0, 0, 0, 0, 0));
}

TEST(FadtTest, LargeGpeBlockHasOnlyTheOldAddress) {
  const std::vector<uint8_t> fadt = BuildFadt(TypicalAcpiConfig(1, 1));

  EXPECT_EQ(At(fadt, kGpe0, 4), 0x620u);
  EXPECT_EQ(fadt[kGpe0Length], 64);
  EXPECT_THAT(Address(fadt, kXGpe0), ElementsAreArray(std::vector<uint8_t>(12)));
}

TEST(FadtTest, AbsentBlocksAreZero) {
  AcpiConfig config = TypicalAcpiConfig(1, 1);
  config.power.timer_port.reset();
  config.power.gpe0_length = 0;

  const std::vector<uint8_t> fadt = BuildFadt(config);

  EXPECT_EQ(At(fadt, kPmTmr, 4), 0u);
  EXPECT_EQ(fadt[kPmTmrLength], 0);
  EXPECT_EQ(At(fadt, kGpe0, 4), 0u);
  EXPECT_THAT(Address(fadt, kXPmTmr), ElementsAreArray(std::vector<uint8_t>(12)));
}

TEST(FadtTest, ResetRegister) {
  const std::vector<uint8_t> fadt = BuildFadt(TypicalAcpiConfig(1, 1));

  EXPECT_THAT(Address(fadt, kResetReg), ElementsAre(1, 8, 0, 1, 0xF9, 0x0C, 0, 0, 0, 0, 0, 0));
  EXPECT_EQ(fadt[kResetValue], 6);
  EXPECT_NE(At(fadt, kFlags, 4) & Bit(10), 0u);  // RESET_REG_SUP
}

TEST(FadtTest, ButtonsAreFixedAndHardwareIsNotReduced) {
  const uint64_t flags = At(BuildFadt(TypicalAcpiConfig(1, 1)), kFlags, 4);

  EXPECT_EQ(flags & (Bit(4) | Bit(5) | Bit(20)), 0u);
}

TEST(FadtTest, LegacyDevicesFollowTheConfiguration) {
  AcpiConfig bare = TypicalAcpiConfig(1, 1);
  bare.com_ports.clear();
  bare.rtc.reset();

  const std::vector<uint8_t> with = BuildFadt(TypicalAcpiConfig(1, 1)), without = BuildFadt(bare);

  EXPECT_EQ(At(with, kBootArch, 2), Bit(0) | Bit(2));     // serial ports; no VGA, no 8042
  EXPECT_EQ(At(without, kBootArch, 2), Bit(2) | Bit(5));  // no VGA, no RTC
  EXPECT_EQ(At(with, kFlags, 4) & Bit(6), 0u);
  EXPECT_NE(At(without, kFlags, 4) & Bit(6), 0u);  // FIX_RTC
}

TEST(FadtTest, RtcRegisters) {
  AcpiConfig config = TypicalAcpiConfig(1, 1);
  config.rtc->day_alarm = 0x33;
  config.rtc->month_alarm = 0x34;

  const std::vector<uint8_t> fadt = BuildFadt(config);

  EXPECT_THAT(absl::MakeConstSpan(fadt).subspan(kAlarms, 3), ElementsAre(0x33, 0x34, 0x32));
}

TEST(FadtTest, OptionalFlags) {
  AcpiConfig config = TypicalAcpiConfig(1, 1);
  config.power.timer_is_32_bit = true;
  config.power.idle_port = 0x610;

  const uint64_t difference =
      At(BuildFadt(config), kFlags, 4) ^ At(BuildFadt(TypicalAcpiConfig(1, 1)), kFlags, 4);

  EXPECT_EQ(difference, Bit(8) | Bit(21));
}

}  // namespace
}  // namespace touchstone
