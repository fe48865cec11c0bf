// A bare-metal guest that counts: saved, killed, and counting on in another process.

#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <functional>
#include <iterator>
#include <memory>
#include <optional>
#include <string>
#include <tuple>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "integration/control/controlled_machine.h"
#include "integration/testing/child_process.h"
#include "integration/testing/runfiles.h"

namespace touchstone {
namespace {

using std::filesystem::exists;
using ::testing::AllOf;
using ::testing::AnyOf;
using ::testing::HasSubstr;
using ::testing::Not;

constexpr const char* kGuest = "snapshot_guest";

std::unique_ptr<ControlledMachine> StartGuest(std::vector<std::string> options,
                                              const std::string& words = "") {
  return std::make_unique<ControlledMachine>(kGuest, words, options);
}

// The numbers of whole lines.
std::vector<uint64_t> NumbersIn(const std::string& output) {
  std::vector<std::string> lines = absl::StrSplit(output, '\n');
  std::vector<uint64_t> numbers;
  for (size_t i = 1; i + 1 < lines.size(); ++i) {  // The ends may be cut.
    uint64_t number = 0;
    if (absl::SimpleAtoi(lines[i], &number)) numbers.push_back(number);
  }
  return numbers;
}

bool Counts(ControlledMachine& machine) {
  const size_t before = NumbersIn(machine.child().output()).size();
  const absl::Time deadline = absl::Now() + kControlLimit;
  while (NumbersIn(machine.child().output()).size() < before + 300 && absl::Now() < deadline &&
         !machine.child().output_ended()) {
    machine.BytesWithin(absl::Milliseconds(50));
  }
  return NumbersIn(machine.child().output()).size() >= before + 300;
}

// Each number is the one before it and 1, from `least` on, with no complaint of the guest's.
void ExpectGoesOn(ControlledMachine& machine, uint64_t least) {
  EXPECT_TRUE(Counts(machine));
  const std::vector<uint64_t> numbers = NumbersIn(machine.child().output());
  ASSERT_FALSE(numbers.empty()) << machine.child().errors();
  EXPECT_GE(numbers.front(), least);
  EXPECT_EQ(numbers.back() - numbers.front() + 1, numbers.size());
  EXPECT_THAT(machine.child().output(), Not(HasSubstr("ready")));
  EXPECT_THAT(machine.child().output(), Not(HasSubstr("FAIL")));
  EXPECT_EQ(machine.child().errors(), "");
}

class SnapshotTest : public testing::Test {
 protected:
  std::string Path(const std::string& name = "snapshot") const {
    return absl::StrCat(folder_.path(), "/", name);
  }
  Said Take(const std::string& path, const ControlledMachine& machine,
            const std::string& flag = "--") {
    return Control({"snapshot", "take", flag, path, machine.socket()});
  }
  // A snapshot at Path(), and the last number before it.
  uint64_t TakeAndKill(const std::vector<std::string>& options, const std::string& flag = "--") {
    const std::unique_ptr<ControlledMachine> machine = StartGuest(options);
    EXPECT_TRUE(machine->Await("\n50\n")) << machine->child().errors();
    EXPECT_EQ(Take(Path(), *machine, flag), Said{0});
    const std::vector<uint64_t> numbers = NumbersIn(machine->child().output());
    EXPECT_TRUE(Counts(*machine));  // It has gone on.
    EXPECT_THAT(machine->child().output(), Not(HasSubstr("FAIL")));
    machine->child().Signal(SIGKILL);
    EXPECT_EQ(machine->End(), 128 + SIGKILL);
    EXPECT_EQ(machine->child().errors(), "");
    return numbers.back();
  }
  static bool IsWhole(const std::string& path) {
    return Control({"snapshot", "check", path}).status == 0;
  }
  // What the program says of a machine that cannot go on from there.
  Said Restore(const std::vector<std::string>& options) {
    std::vector<std::string> line = {"run", "--restore", Path()};
    line.insert(line.end(), options.begin(), options.end());
    line.push_back(Runfile(absl::StrCat("integration/guests/", kGuest)));
    return Control(line);
  }

  const ShortFolder folder_;
};

// Options of the machine that is saved, of the one that goes on, and of the saving.
using Ways = std::tuple<std::vector<std::string>, std::vector<std::string>, std::string>;

class EveryWay : public SnapshotTest, public testing::WithParamInterface<Ways> {};

TEST_P(EveryWay, AnotherProcessGoesOn) {
  const auto& [saved, restored, flag] = GetParam();
  const uint64_t last = TakeAndKill(saved, flag);
  ASSERT_TRUE(IsWhole(Path()));
  std::vector<std::string> options = restored;
  options.push_back("--restore=" + Path());

  const std::unique_ptr<ControlledMachine> machine = StartGuest(options);

  ExpectGoesOn(*machine, last);
  EXPECT_EQ(Control({"stop", machine->socket()}), Said{0});
  EXPECT_EQ(machine->End(), 0);
  EXPECT_TRUE(IsWhole(Path()));
}

const std::vector<std::string>& Jailed() {
  static const auto& options = *new std::vector<std::string>{"--pivot-root=/var/empty"};
  return options;
}
const std::vector<std::string>& Free() {
  static const auto& options = *new std::vector<std::string>{"--disable-sandbox"};
  return options;
}

INSTANTIATE_TEST_SUITE_P(All, EveryWay,
                         testing::Values(Ways{Jailed(), Jailed(), "--"},
                                         Ways{Jailed(), Free(), "--"}, Ways{Free(), Jailed(), "--"},
                                         Ways{Free(), Free(), "--"},
                                         Ways{Jailed(), Free(), "--compress-memory"},
                                         Ways{Free(), Jailed(), "--compress-memory"}));

TEST_F(SnapshotTest, AMachineThatWentOnIsSavedAgain) {
  const uint64_t last = TakeAndKill(Free());
  const std::unique_ptr<ControlledMachine> second =
      StartGuest({"--disable-sandbox", "--restore=" + Path()});
  ASSERT_TRUE(Counts(*second));
  EXPECT_EQ(Take(Path("again"), *second), Said{0});
  const uint64_t later = NumbersIn(second->child().output()).back();

  const std::unique_ptr<ControlledMachine> third =
      StartGuest({"--disable-sandbox", "--restore=" + Path("again")});

  ExpectGoesOn(*third, later);
  EXPECT_GT(later, last);
  // Two of one snapshot, which is not changed by them.
  ExpectGoesOn(*StartGuest({"--disable-sandbox", "--restore=" + Path()}), last);
  EXPECT_TRUE(IsWhole(Path()));
}

TEST_F(SnapshotTest, SuspendedMachinesStaySuspended) {
  std::unique_ptr<ControlledMachine> machine = StartGuest(Jailed());
  ASSERT_TRUE(machine->Await("\n50\n"));
  EXPECT_EQ(Control({"suspend", machine->socket()}), Said{0});
  EXPECT_EQ(Take(Path(), *machine), Said{0});
  machine->BytesWithin(absl::Milliseconds(100));
  EXPECT_EQ(machine->BytesWithin(absl::Milliseconds(300)), 0u);
  EXPECT_EQ(Control({"resume", machine->socket()}), Said{0});
  EXPECT_TRUE(Counts(*machine));

  machine = StartGuest({"--restore=" + Path(), "--suspended"});
  EXPECT_EQ(machine->BytesWithin(absl::Milliseconds(700)), 0u);
  EXPECT_THAT(Control({"resume", machine->socket()}).err, HasSubstr("resume --full wakes them"));
  EXPECT_EQ(Control({"resume", "--full", machine->socket()}), Said{0});

  ExpectGoesOn(*machine, 50);
}

// Whoever is killed whenever: there is a whole snapshot or none, and earlier ones stay.
TEST_F(SnapshotTest, AKilledClientLeavesNoHalfSnapshot) {
  const std::unique_ptr<ControlledMachine> machine = StartGuest(Jailed(), "big");
  ASSERT_TRUE(machine->Await("\n50\n"));
  EXPECT_EQ(Take(Path("earlier"), *machine), Said{0});
  for (int i = 0; i < 12; ++i) {
    const std::string path = Path(absl::StrCat("cut", i % 2));
    std::filesystem::remove_all(path);
    auto client = ChildProcess::Start(
        {Runfile("vmm/touchstone"), "snapshot", "take", path, machine->socket()},
        ChildProcess::Streams::kPipes);
    ASSERT_TRUE(client.ok());
    absl::SleepFor(absl::Milliseconds(4 * i));
    (*client)->Signal(SIGKILL);
    ASSERT_TRUE((*client)->Wait(kControlLimit).ok());
    EXPECT_TRUE(!exists(path) || IsWhole(path)) << i;
  }

  EXPECT_TRUE(Counts(*machine));
  EXPECT_TRUE(IsWhole(Path("earlier")));
  // What they have left is in nobody's way.
  std::filesystem::remove_all(Path("cut0"));
  EXPECT_EQ(Take(Path("cut0"), *machine), Said{0});
  EXPECT_FALSE(exists(Path("cut0.partial")));
  EXPECT_THAT(machine->child().output(), Not(HasSubstr("FAIL")));
}

TEST_F(SnapshotTest, AnInterruptedClientLeavesNothing) {
  const std::unique_ptr<ControlledMachine> machine = StartGuest(Jailed(), "big");
  ASSERT_TRUE(machine->Await("\n50\n"));
  for (int i = 0; i < 6; ++i) {
    auto client = ChildProcess::Start(
        {Runfile("vmm/touchstone"), "snapshot", "take", Path("cut"), machine->socket()},
        ChildProcess::Streams::kPipes);
    ASSERT_TRUE(client.ok());
    absl::SleepFor(absl::Milliseconds(6 * i));
    (*client)->Signal(i % 2 == 0 ? SIGINT : SIGTERM);
    ASSERT_TRUE((*client)->Wait(kControlLimit).ok());
    EXPECT_FALSE(exists(Path("cut.partial"))) << i;
    EXPECT_TRUE(!exists(Path("cut")) || IsWhole(Path("cut"))) << i;
    std::filesystem::remove_all(Path("cut"));
  }
  EXPECT_TRUE(Counts(*machine));
}

TEST_F(SnapshotTest, AKilledMachineLeavesNoHalfSnapshot) {
  TakeAndKill(Jailed());
  for (int i = 0; i < 5; ++i) {
    const std::unique_ptr<ControlledMachine> machine =
        StartGuest({"--pivot-root=/var/empty", "--restore=" + Path()});
    ASSERT_TRUE(Counts(*machine));
    auto client = ChildProcess::Start(
        {Runfile("vmm/touchstone"), "snapshot", "take", Path("cut"), machine->socket()},
        ChildProcess::Streams::kPipes);
    ASSERT_TRUE(client.ok());
    absl::SleepFor(absl::Milliseconds(5 + 5 * i));
    machine->child().Signal(SIGKILL);

    const int status = (*client)->Wait(kControlLimit).value_or(-1);
    EXPECT_EQ(status == 0, exists(Path("cut"))) << (*client)->errors();
    EXPECT_TRUE(status == 0 ? IsWhole(Path("cut")) : (*client)->errors() != "");
    EXPECT_FALSE(exists(Path("cut.partial")));
    std::filesystem::remove_all(Path("cut"));
  }
  EXPECT_TRUE(IsWhole(Path()));
}

TEST_F(SnapshotTest, OtherMachinesAreNotPutInItsPlace) {
  TakeAndKill(Jailed());

  const Said memory = Restore({"--mem=128"});
  const Said cpus = Restore({"--mem=64", "--cpus=2"});
  const Said devices = Restore({"--mem=64", "--no-rng"});

  for (const Said& said : {memory, cpus, devices}) {
    EXPECT_EQ(said.status, 1);
    EXPECT_THAT(said.err, AllOf(HasSubstr("touchstone: --restore: "), HasSubstr("this machine ")));
    EXPECT_EQ(said.out, "");
  }
  EXPECT_THAT(cpus.err, HasSubstr("vCPU"));
}

TEST_F(SnapshotTest, BrokenSnapshotsAreNamed) {
  EXPECT_EQ(Restore({"--mem=64"}), (Said{1, "",
                                         absl::StrCat("touchstone: --restore: open ", Path(),
                                                      "/machine: No such file or directory\n")}));
  TakeAndKill(Free());
  std::filesystem::resize_file(Path() + "/machine", 100);
  EXPECT_THAT(Restore({"--mem=64"}).err, HasSubstr("snapshot/machine: is no whole snapshot"));
}

// A restored machine has the file mapped. What its guest cannot have makes a triple fault or an
// error of its vCPU; either ends the run in order.
TEST_F(SnapshotTest, AMemoryFileThatIsCutShortDoesNotKillTheProgram) {
  TakeAndKill(Free());
  const std::unique_ptr<ControlledMachine> machine =
      StartGuest({"--disable-sandbox", "--suspended", "--restore=" + Path()});
  machine->BytesWithin(absl::Milliseconds(500));
  std::filesystem::resize_file(Path() + "/memory", 0);

  EXPECT_EQ(Control({"resume", "--full", machine->socket()}), Said{0});

  EXPECT_THAT(machine->End(), AnyOf(0, 1));
  EXPECT_FALSE(exists(machine->socket()));
}

TEST_F(SnapshotTest, WhatIsThereIsLeftAlone) {
  const std::unique_ptr<ControlledMachine> machine = StartGuest(Jailed());
  ASSERT_TRUE(machine->Await("\n50\n"));
  std::ofstream(Path()) << "mine";

  EXPECT_EQ(Take(Path(), *machine),
            (Said{1, "",
                  absl::StrCat("touchstone: snapshot: ", Path(),
                               " exists; a snapshot is a new folder, which must not\n")}));
  EXPECT_TRUE(Counts(*machine));
}

TEST_F(SnapshotTest, WhatIsNotOfferedSaysWhatIs) {
  EXPECT_THAT(Control({"snapshot", "restore", "p", "s"}).err, HasSubstr("run --restore PATH"));
  EXPECT_THAT(Control({"snapshot", "take", "--encrypt", "p", "s"}).err, HasSubstr("no cipher"));
}

}  // namespace
}  // namespace touchstone
