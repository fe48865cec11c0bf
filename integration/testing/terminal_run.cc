#include "integration/testing/terminal_run.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

#include <array>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"

namespace touchstone {
namespace {

constexpr absl::Duration kLimit = absl::Seconds(60);
constexpr int kPeek = WEXITED | WNOHANG | WNOWAIT;

}  // namespace

std::string ModeOf(int terminal) {
  termios mode;
  if (tcgetattr(terminal, &mode) != 0) return "no terminal";
  return absl::StrCat(mode.c_iflag, " ", mode.c_oflag, " ", mode.c_cflag, " ", mode.c_lflag, " ",
                      std::string(reinterpret_cast<const char*>(mode.c_cc), NCCS));
}

TerminalRun::TerminalRun(const std::vector<std::string>& command, const std::string& folder) {
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

TerminalRun::~TerminalRun() {
  if (pid_ > 0) Wait(SIGKILL);
}

bool TerminalRun::Await(const std::string& text) {
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

void TerminalRun::Type(const std::string& text) {
  if (write(ours_.get(), text.data(), text.size()) < 0) output_ += "<write failed>";
}

bool TerminalRun::Runs() const { return waitid(P_PID, Id(), nullptr, kPeek) == 0 && !Ended(); }

int TerminalRun::Wait(int signal) {
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

bool TerminalRun::LeftProcesses() const {
  const absl::Time deadline = absl::Now() + kLimit;
  while (kill(-group_, 0) == 0) {
    if (absl::Now() > deadline) return true;
    absl::SleepFor(absl::Milliseconds(1));
  }
  return false;
}

bool TerminalRun::Ended() const {
  siginfo_t info = {};
  waitid(P_PID, Id(), &info, kPeek);
  return info.si_pid == pid_;
}

}  // namespace touchstone
