// How a run ends from outside, on a terminal and on pipes: with SIGTERM and SIGINT as with a guest
// that powers off, the exit code is 0, the terminal is as it was, and nothing is left behind.
// The guest is a bare-metal one, so any KVM will do.

#include <dirent.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "base/scoped_fd.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "integration/testing/child_process.h"
#include "integration/testing/runfiles.h"

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

std::string ModeOf(int terminal) {
  termios mode;
  if (tcgetattr(terminal, &mode) != 0) return "no terminal";
  return absl::StrCat(mode.c_iflag, " ", mode.c_oflag, " ", mode.c_cflag, " ", mode.c_lflag, " ",
                      std::string(reinterpret_cast<const char*>(mode.c_cc), NCCS));
}

tcflag_t LocalFlags(int terminal) {
  termios mode = {};
  tcgetattr(terminal, &mode);
  return mode.c_lflag;
}

// A terminal with touchstone in its foreground, in a session of its own.
class TerminalRun {
 public:
  TerminalRun(const std::vector<std::string>& command, const std::string& folder) {
    ours_.Reset(posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC));
    std::array<char, 64> name = {};
    if (grantpt(ours_.get()) != 0 || unlockpt(ours_.get()) != 0 ||
        ptsname_r(ours_.get(), name.data(), name.size()) != 0) {
      return;
    }
    theirs_.Reset(open(name.data(), O_RDWR | O_NOCTTY | O_CLOEXEC));
    mode_before_ = ModeOf(theirs_.get());
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addopen(&actions, 0, name.data(), O_RDWR, 0);
    posix_spawn_file_actions_adddup2(&actions, 0, 1);
    posix_spawn_file_actions_adddup2(&actions, 0, 2);
    posix_spawn_file_actions_addchdir_np(&actions, folder.c_str());
    posix_spawnattr_t attributes;
    posix_spawnattr_init(&attributes);
    posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSID);
    std::vector<char*> arguments;
    for (const std::string& argument : command) {
      arguments.push_back(const_cast<char*>(argument.c_str()));
    }
    arguments.push_back(nullptr);
    if (posix_spawn(&pid_, arguments[0], &actions, &attributes, arguments.data(), environ) != 0) {
      pid_ = -1;
    }
    posix_spawn_file_actions_destroy(&actions);
    posix_spawnattr_destroy(&attributes);
  }
  ~TerminalRun() {
    if (pid_ > 0) Wait(SIGKILL);
  }

  // Reads until `text` has come.
  bool Await(const std::string& text) {
    const absl::Time deadline = absl::Now() + kLimit;
    while (output_.find(text) == std::string::npos && absl::Now() < deadline) {
      pollfd readable = {ours_.get(), POLLIN, 0};
      std::array<char, 4096> buffer;
      if (poll(&readable, 1, 100) != 1) continue;
      const ssize_t count = read(ours_.get(), buffer.data(), buffer.size());
      if (count > 0) output_.append(buffer.data(), static_cast<size_t>(count));
    }
    return output_.find(text) != std::string::npos;
  }

  void Type(const std::string& text) {
    if (write(ours_.get(), text.data(), text.size()) < 0) output_ += "<write failed>";
  }

  [[nodiscard]] bool Runs() const { return waitid(P_PID, Id(), nullptr, kPeek) == 0 && !Ended(); }

  // Sends a signal, if any, and waits for the end; the status is as a shell says it.
  int Wait(int signal) {
    if (signal != 0) kill(pid_, signal);
    const absl::Time deadline = absl::Now() + kLimit;
    int status = 0;
    while (waitpid(pid_, &status, WNOHANG) != pid_) {
      if (absl::Now() > deadline) kill(pid_, SIGKILL);
      absl::SleepFor(absl::Milliseconds(1));
    }
    group_ = pid_;
    pid_ = -1;
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  }

  // Whether a process of the session lives on. After Wait. A run that a signal killed outright did
  // not wait for its children, which the kernel kills after it: they may take a moment.
  [[nodiscard]] bool LeftProcesses() const {
    const absl::Time deadline = absl::Now() + kLimit;
    while (kill(-group_, 0) == 0) {
      if (absl::Now() > deadline) return true;
      absl::SleepFor(absl::Milliseconds(1));
    }
    return false;
  }
  [[nodiscard]] int terminal() const { return theirs_.get(); }
  [[nodiscard]] const std::string& mode_before() const { return mode_before_; }
  [[nodiscard]] const std::string& output() const { return output_; }

 private:
  static constexpr int kPeek = WEXITED | WNOHANG | WNOWAIT;

  [[nodiscard]] id_t Id() const { return static_cast<id_t>(pid_); }
  [[nodiscard]] bool Ended() const {
    siginfo_t info = {};
    waitid(P_PID, Id(), &info, kPeek);
    return info.si_pid == pid_;
  }

  ScopedFd ours_;
  ScopedFd theirs_;
  std::string mode_before_;
  std::string output_;
  pid_t pid_ = -1;
  pid_t group_ = -1;
};

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
