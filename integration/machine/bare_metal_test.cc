// Bare-metal guests on the whole machine and a real /dev/kvm, in this process.

#include "integration/machine/bare_metal.h"

#include <dirent.h>
#include <unistd.h>

#include <fstream>
#include <iterator>
#include <string>
#include <thread>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace touchstone {
namespace {

using ::testing::AllOf;
using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::Not;

MATCHER(Passed, "ended with \"done\" and no FAIL line") {
  return absl::string_view(arg).find("FAIL") == absl::string_view::npos &&
         testing::Value(arg, EndsWith("done\n"));
}

TEST(BareMetalTest, EveryKindOfAccessExitsAndComesBack) {
  const absl::StatusOr<BareMetalRun> run = RunBareMetal("exits_guest", {});

  ASSERT_TRUE(run.ok()) << run.status();
  EXPECT_EQ(run->end, EndOfRun::kPowerOff);
  EXPECT_THAT(run->output, Passed());
}

TEST(BareMetalTest, TheDebugPortIsOutput) {
  const absl::StatusOr<BareMetalRun> run =
      RunBareMetal("exits_guest", {.command_line = "debugcon", .debugcon = true});

  ASSERT_TRUE(run.ok()) << run.status();
  EXPECT_THAT(run->output, AllOf(Passed(), HasSubstr("ok debug port's signature")));
  EXPECT_EQ(run->debug_output, "from the debug port\n");
}

// By where the interrupt controllers are: in KVM or here.
class IrqChipTest : public testing::TestWithParam<bool> {};

TEST_P(IrqChipTest, InterruptsArriveFromLinesTimersAndMessages) {
  const absl::StatusOr<BareMetalRun> run =
      RunBareMetal("interrupts_guest", {.command_line = "message", .split_irqchip = GetParam()});

  if (absl::IsUnimplemented(run.status())) GTEST_SKIP() << run.status();
  ASSERT_TRUE(run.ok()) << run.status();
  EXPECT_EQ(run->end, EndOfRun::kPowerOff);
  EXPECT_THAT(run->output, AllOf(Passed(), HasSubstr("ok message-signalled interrupt")));
}

TEST_P(IrqChipTest, ProcessorsStart) {
  const absl::StatusOr<BareMetalRun> run =
      RunBareMetal("smp_guest", {.cpus = 4, .command_line = "cpus=4", .split_irqchip = GetParam()});

  if (absl::IsUnimplemented(run.status())) GTEST_SKIP() << run.status();
  ASSERT_TRUE(run.ok()) << run.status();
  EXPECT_EQ(run->end, EndOfRun::kPowerOff);
  EXPECT_THAT(run->output, Passed());
}

INSTANTIATE_TEST_SUITE_P(Places, IrqChipTest, testing::Bool(),
                         [](const auto& info) { return info.param ? "Split" : "Kernel"; });

class SmpTest : public testing::TestWithParam<uint32_t> {};

TEST_P(SmpTest, AllProcessorsStart) {
  const absl::StatusOr<BareMetalRun> run = RunBareMetal(
      "smp_guest", {.cpus = GetParam(), .command_line = absl::StrCat("cpus=", GetParam())});

  ASSERT_TRUE(run.ok()) << run.status();
  EXPECT_EQ(run->end, EndOfRun::kPowerOff);
  EXPECT_THAT(run->output, Passed());
}

INSTANTIATE_TEST_SUITE_P(Counts, SmpTest, testing::Values(1, 2, 3, 8, 64));

struct Ending {
  std::string word;
  EndOfRun end;
};

class EndingTest : public testing::TestWithParam<Ending> {};

TEST_P(EndingTest, IsTheGuestsChoice) {
  const absl::StatusOr<BareMetalRun> run =
      RunBareMetal("end_guest", {.command_line = GetParam().word});

  ASSERT_TRUE(run.ok()) << run.status();
  EXPECT_EQ(run->end, GetParam().end);
  EXPECT_THAT(run->output, Not(HasSubstr("FAIL")));
}

// "wild" is KE-55: a jump to where nothing is ends the run, and does not spin.
INSTANTIATE_TEST_SUITE_P(Words, EndingTest,
                         testing::Values(Ending{"off", EndOfRun::kPowerOff},
                                         Ending{"cf9", EndOfRun::kReset},
                                         Ending{"i8042", EndOfRun::kReset},
                                         Ending{"wild", EndOfRun::kCrash}),
                         [](const auto& info) { return info.param.word; });

TEST(BareMetalTest, AHaltedGuestIsStoppedFromOutside) {
  const absl::StatusOr<BareMetalRun> run =
      RunBareMetal("end_guest", {.command_line = "halt", .limit = absl::Milliseconds(300)});

  ASSERT_TRUE(run.ok()) << run.status();
  EXPECT_EQ(run->end, EndOfRun::kStopped);
}

TEST(BareMetalTest, ARomStartsAtTheResetVector) {
  const absl::StatusOr<BareMetalRun> run = RunBareMetal("reset_rom", {.cpus = 2, .rom = true});

  ASSERT_TRUE(run.ok()) << run.status();
  EXPECT_EQ(run->end, EndOfRun::kPowerOff);
  EXPECT_THAT(run->output,
              AllOf(Passed(), HasSubstr("ok reset vector"), HasSubstr("ok ROM is read-only"),
                    HasSubstr("ok other processor")));
}

TEST(BareMetalTest, FlashKeepsWhatFirmwareProgramsIntoIt) {
  const std::string path = absl::StrCat(testing::TempDir(), "/flash");
  std::string contents = "flash";
  contents.resize(0x10000);
  std::ofstream(path, std::ios::binary) << contents;

  const absl::StatusOr<BareMetalRun> run = RunBareMetal("flash_guest", {.flash = path});

  ASSERT_TRUE(run.ok()) << run.status();
  EXPECT_EQ(run->end, EndOfRun::kPowerOff);
  EXPECT_THAT(run->output, AllOf(Passed(), HasSubstr("ok programmed")));
  contents.replace(0x3000, 0x1000, std::string(0x1000, '\xFF'));
  contents.replace(0x3010, 4, "kept");
  std::ifstream file(path, std::ios::binary);
  EXPECT_EQ(std::string(std::istreambuf_iterator<char>(file), {}), contents);
}

int CountEntries(const char* folder) {
  DIR* const directory = opendir(folder);
  if (directory == nullptr) return -1;
  int count = 0;
  while (readdir(directory) != nullptr) ++count;
  closedir(directory);
  return count;
}

uint64_t MappedKib() {
  std::ifstream file("/proc/self/statm");
  uint64_t pages = 0;
  file >> pages;
  return pages * 4;
}

TEST(BareMetalTest, TwoHundredRunsLeakNothing) {
  constexpr int kWarmUp = 5;
  constexpr int kRuns = 200;
  constexpr uint64_t kSlackKib = 512;  // the allocator's; one lost vCPU thread's stack is 8 MiB
  int fds = 0, threads = 0;
  uint64_t mapped = 0;

  for (int i = 0; i < kWarmUp + kRuns; ++i) {
    if (i == kWarmUp) {
      fds = CountEntries("/proc/self/fd");
      threads = CountEntries("/proc/self/task");
      mapped = MappedKib();
    }
    const absl::StatusOr<BareMetalRun> run = RunBareMetal("first_byte", {.cpus = 2});
    ASSERT_TRUE(run.ok()) << run.status();
    ASSERT_EQ(run->end, EndOfRun::kReset);
    ASSERT_EQ(run->output, "!");
  }

  // KVM's own worker of a VM ends a moment after the VM.
  for (int i = 0; i < 100 && CountEntries("/proc/self/task") > threads; ++i) usleep(10000);
  EXPECT_EQ(CountEntries("/proc/self/fd"), fds);
  EXPECT_EQ(CountEntries("/proc/self/task"), threads);
  EXPECT_LE(MappedKib(), mapped + kSlackKib);
}

TEST(BareMetalTest, AMissingKernelIsAnErrorThatNamesIt) {
  const absl::StatusOr<BareMetalRun> run = RunBareMetal("no_such_guest", {});

  EXPECT_THAT(std::string(run.status().message()),
              AllOf(HasSubstr("no_such_guest"), HasSubstr("No such file")));
}

}  // namespace
}  // namespace touchstone
