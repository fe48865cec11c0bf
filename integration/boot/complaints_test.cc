#include "integration/boot/complaints.h"

#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace touchstone {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::UnorderedElementsAre;

// A quiet boot, but for an XSAVE warning with its dump.
constexpr char kLog[] =
    "<5>[    0.000000] Linux version 6.1.0-56-amd64\n"
    "<6>[    0.068959] TSC deadline timer available\n"
    "<4>[    0.372436] ------------[ cut here ]------------\n"
    "<4>[    0.372677] XSAVE consistency problem: size 2696 != kernel_size 576\n"
    "<4>[    0.372677] WARNING: CPU: 0 PID: 0 at arch/x86/kernel/fpu/xstate.c:606 f+0x85a/0xb19\n"
    "<4>[    0.372677] Modules linked in:\n"
    "<4>[    0.377443] Hardware name: QEMU Standard PC\n"
    "<4>[    0.384716] ---[ end trace 0000000000000000 ]---\n"
    "<6>[    1.563318] ima: No TPM chip found, activating TPM-bypass!\n"
    "<6>[    2.038930] Run /init as init process\n";

TEST(ComplaintsTest, OfAWarningOnlyWhatHappened) {
  EXPECT_THAT(
      Complaints(kLog),
      UnorderedElementsAre("------------[ cut here ]------------",
                           "XSAVE consistency problem: size # != kernel_size #",
                           "WARNING: CPU: # PID: # at arch/x86/kernel/fpu/xstate.c:# f+#/#"));
}

TEST(ComplaintsTest, SameBootAtAnotherTimeAndPlaceHasNothingMissing) {
  const auto ours = Complaints("<3>[    1.250000] BAR 0: at 0xfe0001ff, c0000000ffffefff failed\n");
  const auto theirs = Complaints("<3>[   12.000001] BAR 1: at 0x10, ffffffffffffffff failed\n");

  EXPECT_THAT(Missing(ours, theirs), IsEmpty());
}

TEST(ComplaintsTest, TheirComplaintsMayBeMore) {
  EXPECT_THAT(Missing(Complaints(""), Complaints(kLog)), IsEmpty());
}

TEST(ComplaintsTest, AfterADumpLinesCountAgain) {
  EXPECT_THAT(Missing(Complaints(std::string(kLog) + "<4>[    3.000000] late\n"), Complaints(kLog)),
              ElementsAre("late"));
}

TEST(ComplaintsTest, EmptyLinesAreNone) { EXPECT_THAT(Complaints("\n<4>[    0.1] \n"), IsEmpty()); }

// Each planted line is found, whatever else both logs have.
class PlantedTest : public ::testing::TestWithParam<const char*> {};

TEST_P(PlantedTest, IsFound) {
  const std::string planted = GetParam();

  EXPECT_THAT(Missing(Complaints(kLog + planted), Complaints(kLog)), ::testing::SizeIs(1))
      << planted;
}

INSTANTIATE_TEST_SUITE_P(OfLevel, PlantedTest,
                         ::testing::Values("<4>[    1.0] anything at all\n",
                                           "<3>[    1.0] BUG: soft lockup\n",
                                           "<0>[    1.0] Kernel panic\n",
                                           "<12>[    1.0] with a facility\n"));

INSTANTIATE_TEST_SUITE_P(
    OfPartAndWord, PlantedTest,
    ::testing::Values(
        "<6>[    1.0] acpi PNP0A08:00: _OSC: platform does not support [AER]\n",
        "<6>[    1.0] ACPI BIOS Error (bug): Could not resolve symbol\n",
        "<6>[    1.0] pci 0000:00:01.0: BAR 0: no space for [mem size 0x10]\n",
        "<6>[    1.0] PCI: not using MMCONFIG\n", "<5>[    1.0] ..TIMER: IO-APIC unreliable\n",
        "<6>[    1.0] APIC: disabled by BIOS\n",
        "<6>[    1.0] clocksource: timekeeping watchdog: Marking clocksource 'tsc' as unstable\n",
        "<6>[    1.0] tsc: Fast TSC calibration failed\n", "<6>[    1.0] ttyS0: too much work\n",
        "<5>[    1.0] irq 5: nobody cared, ignored\n"));

class HarmlessTest : public ::testing::TestWithParam<const char*> {};

TEST_P(HarmlessTest, IsNoComplaint) { EXPECT_THAT(Complaints(GetParam()), IsEmpty()); }

INSTANTIATE_TEST_SUITE_P(
    All, HarmlessTest,
    ::testing::Values("<6>[    1.0] ACPI: Using IOAPIC for interrupt routing\n",
                      "<6>[    1.0] clocksource: Switched to clocksource kvm-clock\n",
                      "<6>[    1.0] evm: security.SMACK64 (disabled)\n",
                      "<5>[    1.0] the notary is no part of the platform: not\n"));

}  // namespace
}  // namespace touchstone
