#include "bench/peers/monitor_process.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "base/clock.h"
#include "base/status.h"

extern char** environ;

namespace touchstone {

absl::StatusOr<std::unique_ptr<MonitorProcess>> MonitorProcess::Start(
    const std::vector<std::string>& command) {
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) != 0) return ErrnoStatus(errno, "pipe");
  ScopedFd reader(ends[0]);
  const ScopedFd writer(ends[1]);
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
  posix_spawn_file_actions_adddup2(&actions, writer.get(), STDOUT_FILENO);
  std::vector<char*> argv;
  argv.reserve(command.size() + 1);
  for (const std::string& word : command) argv.push_back(const_cast<char*>(word.c_str()));
  argv.push_back(nullptr);
  pid_t pid;
  const int error = posix_spawnp(&pid, argv[0], &actions, nullptr, argv.data(), environ);
  posix_spawn_file_actions_destroy(&actions);
  if (error != 0) return ErrnoStatus(error, absl::StrCat("start ", command[0]));
  return std::unique_ptr<MonitorProcess>(new MonitorProcess(pid, std::move(reader)));
}

MonitorProcess::~MonitorProcess() {
  if (pid_ < 0) return;
  kill(pid_, SIGKILL);
  while (waitpid(pid_, nullptr, 0) < 0 && errno == EINTR) {
  }
}

absl::Status MonitorProcess::Terminate(absl::Duration limit) {
  const absl::Duration deadline = SystemClock().Monotonic() + limit;
  kill(pid_, SIGTERM);
  while (waitpid(pid_, nullptr, WNOHANG) == 0) {
    if (SystemClock().Monotonic() > deadline) {
      return absl::DeadlineExceededError(absl::StrCat("process ", pid_, " does not end"));
    }
    absl::SleepFor(absl::Milliseconds(5));
  }
  pid_ = -1;
  return absl::OkStatus();
}

absl::StatusOr<std::string> MonitorProcess::AwaitLine(absl::string_view prefix,
                                                      absl::Duration limit) {
  const absl::Duration deadline = SystemClock().Monotonic() + limit;
  std::string dropped;
  while (true) {
    const size_t end = unread_.find('\n');
    if (end != std::string::npos) {
      std::string line = unread_.substr(0, end);
      unread_.erase(0, end + 1);
      if (absl::EndsWith(line, "\r")) line.pop_back();
      if (absl::StartsWith(line, prefix)) return line.substr(prefix.size());
      absl::StrAppend(&dropped, line, "\n");
      continue;
    }
    const absl::Duration left = deadline - SystemClock().Monotonic();
    pollfd wait = {output_.get(), POLLIN, 0};
    if (left <= absl::ZeroDuration() ||
        poll(&wait, 1, static_cast<int>(absl::ToInt64Milliseconds(left)) + 1) == 0) {
      return absl::DeadlineExceededError(
          absl::StrCat("no line \"", prefix, "\"; before:\n", dropped, unread_));
    }
    char buffer[4096];
    const ssize_t size = read(output_.get(), buffer, sizeof(buffer));
    if (size > 0) {
      unread_.append(buffer, static_cast<size_t>(size));
    } else if (size == 0 || errno != EINTR) {
      return absl::UnavailableError(
          absl::StrCat("ended without a line \"", prefix, "\"; before:\n", dropped, unread_));
    }
  }
}

std::vector<std::string> QemuCommand(absl::string_view machine, uint64_t memory_mib,
                                     absl::string_view kernel, absl::string_view initramfs,
                                     absl::string_view kernel_command_line) {
  return {"qemu-system-x86_64",
          "-name",
          "peer,debug-threads=on",
          "-accel",
          "kvm",
          "-cpu",
          "host",
          "-M",
          std::string(machine),
          "-m",
          absl::StrCat(memory_mib),
          "-smp",
          "1",
          "-nodefaults",
          "-no-user-config",
          "-display",
          "none",
          "-no-reboot",
          "-serial",
          "stdio",
          "-kernel",
          std::string(kernel),
          "-initrd",
          std::string(initramfs),
          "-append",
          std::string(kernel_command_line)};
}

}  // namespace touchstone
