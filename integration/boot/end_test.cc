// How a run ends from outside, on a terminal and on pipes: with SIGTERM and SIGINT as with a guest
// that powers off, the exit code is 0, the terminal is as it was, and nothing is left behind.
// The guest is a bare-metal one, so any KVM will do.

#include <dirent.h>
#include <signal.h>
#include <stdlib.h>
#include <termios.h>
#include <unistd.h>

#include <algorithm>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "integration/testing/child_process.h"
#include "integration/testing/runfiles.h"
#include "integration/testing/terminal_run.h"

namespace touchstone {
namespace {

using ::testing::AnyOf;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::StrEq;

constexpr absl::Duration kLimit = absl::Seconds(60);
constexpr tcflag_t kCooked = ICANON | ECHO | ISIG;

std::vector<std::string> Command(const std::string& word) {
  return {Runfile("vmm/touchstone"),
          "run",
          "--mem=64",
          "--params",
          word,
          Runfile("integration/guests/end_guest")};
}

// An empty folder that a run may leave something in.
std::string MakeFolder() {
  std::string folder = absl::StrCat(getenv("TEST_TMPDIR") ?: "/tmp", "/end_test.XXXXXX");
  return mkdtemp(folder.data()) == nullptr ? "" : folder;
}

std::vector<std::string> FilesIn(const std::string& folder) {
  std::vector<std::string> names;
  DIR* const directory = opendir(folder.c_str());
  while (const dirent* const entry = readdir(directory)) {
    if (entry->d_name[0] != '.') names.emplace_back(entry->d_name);
  }
  closedir(directory);
  return names;
}

tcflag_t LocalFlags(int terminal) {
  termios mode = {};
  tcgetattr(terminal, &mode);
  return mode.c_lflag;
}

class SignalTest : public ::testing::TestWithParam<int> {};

TEST_P(SignalTest, EndsTheRunAndRestoresTheTerminal) {
  const std::string folder = MakeFolder();
  TerminalRun run(Command("halt"), folder);
  ASSERT_TRUE(run.Await("ready\r\n")) << run.output();
  EXPECT_EQ(LocalFlags(run.terminal()) & kCooked, 0u);

  EXPECT_EQ(run.Wait(GetParam()), 0);

  EXPECT_EQ(ModeOf(run.terminal()), run.mode_before());
  EXPECT_FALSE(run.LeftProcesses());
  EXPECT_THAT(FilesIn(folder), IsEmpty());
}

TEST_P(SignalTest, EndsTheRunOnPipesWithAllOfTheOutput) {
  const auto child = *ChildProcess::Start(Command("halt"), ChildProcess::Streams::kPipes);
  const absl::Time deadline = absl::Now() + kLimit;
  while (child->output() != "ready\n" && absl::Now() < deadline) child->Pump(absl::Seconds(1));

  child->Signal(GetParam());
  const absl::StatusOr<int> status = child->Wait(kLimit);

  ASSERT_TRUE(status.ok()) << status.status();
  EXPECT_EQ(*status, 0);
  EXPECT_EQ(child->output(), "ready\n");
  EXPECT_THAT(child->errors(), Not(HasSubstr("error")));
}

// Whatever has been set up by then: the signal either does what it does to any program, or ends
// the run in order, and the terminal is right.
TEST_P(SignalTest, MayComeAtAnyMomentOfTheStart) {
  const std::string folder = MakeFolder();
  for (int milliseconds = 0; milliseconds < 30; milliseconds += 2) {
    SCOPED_TRACE(milliseconds);
    TerminalRun run(Command("halt"), folder);
    absl::SleepFor(absl::Milliseconds(milliseconds));

    EXPECT_THAT(run.Wait(GetParam()), AnyOf(0, 128 + GetParam()));

    EXPECT_EQ(ModeOf(run.terminal()), run.mode_before());
    EXPECT_FALSE(run.LeftProcesses());
  }
}

INSTANTIATE_TEST_SUITE_P(Signals, SignalTest, ::testing::Values(SIGTERM, SIGINT),
                         [](const auto& info) { return info.param == SIGINT ? "Int" : "Term"; });

class GuestEndTest : public ::testing::TestWithParam<const char*> {};

TEST_P(GuestEndTest, RestoresTheTerminal) {
  const std::string folder = MakeFolder();
  TerminalRun run(Command(GetParam()), folder);
  ASSERT_TRUE(run.Await("ready\r\n")) << run.output();

  EXPECT_EQ(run.Wait(0), 0) << run.output();

  EXPECT_EQ(ModeOf(run.terminal()), run.mode_before());
  EXPECT_FALSE(run.LeftProcesses());
  EXPECT_THAT(FilesIn(folder), IsEmpty());
}

// Not "fault": a KVM that emulates has no INT3 in long mode, and the guest may hang there.
INSTANTIATE_TEST_SUITE_P(Ways, GuestEndTest, ::testing::Values("off", "cf9", "i8042"),
                         [](const auto& info) { return std::string(info.param); });

TEST(TerminalTest, ControlCharactersAreForTheGuest) {
  TerminalRun run(Command("halt"), MakeFolder());
  ASSERT_TRUE(run.Await("ready\r\n")) << run.output();

  run.Type("\x03\x1c\x1a\x04");
  absl::SleepFor(absl::Milliseconds(200));

  EXPECT_TRUE(run.Runs());
  EXPECT_EQ(run.Wait(SIGTERM), 0);
}

TEST(TerminalTest, ErrorsLeaveTheTerminalAsItWas) {
  TerminalRun run({Runfile("vmm/touchstone"), "run", "/dev/null"}, MakeFolder());

  EXPECT_EQ(run.Wait(0), 1);

  EXPECT_EQ(ModeOf(run.terminal()), run.mode_before());
}

// The exception (base/terminal.h): nobody can do anything about it.
TEST(TerminalTest, OnlySigkillLeavesTheTerminalRaw) {
  TerminalRun run(Command("halt"), MakeFolder());
  ASSERT_TRUE(run.Await("ready\r\n")) << run.output();

  EXPECT_EQ(run.Wait(SIGKILL), 128 + SIGKILL);

  EXPECT_EQ(LocalFlags(run.terminal()) & kCooked, 0u);
  // Its jailed devices hear of it.
  const absl::Time deadline = absl::Now() + kLimit;
  while (run.LeftProcesses() && absl::Now() < deadline) absl::SleepFor(absl::Milliseconds(1));
  EXPECT_FALSE(run.LeftProcesses());
}

}  // namespace
}  // namespace touchstone
