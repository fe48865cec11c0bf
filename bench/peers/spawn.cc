#include "bench/peers/spawn.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "base/clock.h"
#include "base/scoped_fd.h"
#include "base/status.h"

extern char** environ;

namespace touchstone {
namespace {

// Reads until the end of the output; returns when its first byte came, or an infinite duration.
// False in `ended` when the limit came first.
absl::Duration DrainOutput(int fd, absl::Duration start, absl::Duration limit, bool& ended) {
  absl::Duration first = absl::InfiniteDuration();
  char buffer[4096];
  for (;;) {
    const absl::Duration left = start + limit - SystemClock().Monotonic();
    pollfd wait = {fd, POLLIN, 0};
    if (left <= absl::ZeroDuration() ||
        poll(&wait, 1, static_cast<int>(absl::ToInt64Milliseconds(left)) + 1) == 0) {
      ended = false;
      return first;
    }
    const ssize_t size = read(fd, buffer, sizeof(buffer));
    if (size > 0 && first == absl::InfiniteDuration()) first = SystemClock().Monotonic() - start;
    if (size == 0) break;
    if (size < 0 && errno != EINTR) break;
  }
  ended = true;
  return first;
}

}  // namespace

absl::StatusOr<SpawnTimes> TimeSpawn(const std::vector<std::string>& command,
                                     absl::Duration limit) {
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) != 0) return ErrnoStatus(errno, "pipe");
  const ScopedFd reader(ends[0]);
  ScopedFd writer(ends[1]);

  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
  posix_spawn_file_actions_adddup2(&actions, writer.get(), STDOUT_FILENO);
  posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, "/dev/null", O_WRONLY, 0);
  std::vector<char*> argv;
  argv.reserve(command.size() + 1);
  for (const std::string& word : command) argv.push_back(const_cast<char*>(word.c_str()));
  argv.push_back(nullptr);

  const absl::Duration start = SystemClock().Monotonic();
  pid_t pid;
  const int error = posix_spawnp(&pid, argv[0], &actions, nullptr, argv.data(), environ);
  posix_spawn_file_actions_destroy(&actions);
  if (error != 0) return ErrnoStatus(error, absl::StrCat("start ", command[0]));
  writer.Reset();

  SpawnTimes times;
  bool ended = false;
  times.first_byte = DrainOutput(reader.get(), start, limit, ended);
  if (!ended) kill(pid, SIGKILL);
  int status;
  rusage usage;
  while (wait4(pid, &status, 0, &usage) < 0 && errno == EINTR) {
  }
  times.gone = SystemClock().Monotonic() - start;
  if (!ended) return absl::DeadlineExceededError(absl::StrCat(command[0], " did not end in time"));
  times.cpu = absl::DurationFromTimeval(usage.ru_utime) + absl::DurationFromTimeval(usage.ru_stime);
  times.exit_status = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  return times;
}

absl::Duration Median(std::vector<absl::Duration> values) {
  std::sort(values.begin(), values.end());
  const size_t middle = values.size() / 2;
  if (values.size() % 2 == 1) return values[middle];
  return (values[middle - 1] + values[middle]) / 2;
}

}  // namespace touchstone
