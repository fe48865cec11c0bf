#include "devices/virtio/net/passt.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "absl/time/clock.h"
#include "base/status.h"

namespace touchstone {
namespace {

// passt's end of the socket, in passt.
constexpr int kPasstFd = 3;
// What is handed to passt is above the descriptors that it becomes there.
constexpr int kAboveStandard = 10;
// What passt says at most, as far as we listen.
constexpr size_t kMaxText = 4096;

// A duplicate for the file actions of a new process.
absl::StatusOr<ScopedFd> Above(const ScopedFd& fd) {
  ScopedFd above(fcntl(fd.get(), F_DUPFD_CLOEXEC, kAboveStandard));
  if (!above.valid()) return ErrnoStatus(errno, "F_DUPFD_CLOEXEC");
  return above;
}

// posix_spawnp with these standard streams, kPasstFd, and no other descriptor; a session of its
// own, so that no terminal's signals get there. Returns the process, or an error.
absl::StatusOr<pid_t> Spawn(const PasstCommand& command, int socket, int errors) {
  std::vector<std::string> words = {command.path, "--fd", absl::StrCat(kPasstFd), "--quiet"};
  words.insert(words.end(), command.arguments.begin(), command.arguments.end());
  std::vector<char*> arguments;
  arguments.reserve(words.size() + 1);
  for (std::string& word : words) arguments.push_back(word.data());
  arguments.push_back(nullptr);

  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
  posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, "/dev/null", O_WRONLY, 0);
  posix_spawn_file_actions_adddup2(&actions, errors, STDERR_FILENO);
  posix_spawn_file_actions_adddup2(&actions, socket, kPasstFd);
  posix_spawn_file_actions_addclosefrom_np(&actions, kPasstFd + 1);
  posix_spawnattr_t attributes;
  posix_spawnattr_init(&attributes);
  posix_spawnattr_setflags(&attributes,
                           POSIX_SPAWN_SETSID | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK);
  sigset_t signals;
  sigfillset(&signals);
  posix_spawnattr_setsigdefault(&attributes, &signals);
  sigemptyset(&signals);
  posix_spawnattr_setsigmask(&attributes, &signals);

  pid_t pid = -1;
  const int error =
      posix_spawnp(&pid, command.path.c_str(), &actions, &attributes, arguments.data(), environ);
  posix_spawnattr_destroy(&attributes);
  posix_spawn_file_actions_destroy(&actions);
  if (error == ENOENT) {
    return absl::NotFoundError(
        absl::StrCat(command.path, ": there is no such program; Debian has it in package passt"));
  }
  if (error != 0) return ErrnoStatus(error, command.path);
  return pid;
}

// Appends what is there; false at the end.
bool Collect(int fd, std::string& text) {
  char buffer[512];
  const ssize_t count = read(fd, buffer, sizeof(buffer));
  if (count < 0) return errno == EAGAIN || errno == EINTR;
  text.append(buffer, std::min(static_cast<size_t>(count), kMaxText - text.size()));
  return count > 0;
}

// Without what it says about a syslog that is not there.
std::string Said(absl::string_view text) {
  std::vector<absl::string_view> lines;
  for (const absl::string_view line : absl::StrSplit(text, '\n', absl::SkipWhitespace())) {
    if (!absl::EndsWith(line, "to syslog")) lines.push_back(absl::StripAsciiWhitespace(line));
  }
  return absl::StrJoin(lines, "; ");
}

// Waits for a child, which is gone when this returns. The status is waitpid's.
absl::StatusOr<int> Await(pid_t pid, int errors, absl::Duration patience, std::string& text) {
  const ScopedFd process(static_cast<int>(syscall(SYS_pidfd_open, pid, 0)));
  const absl::Time deadline = absl::Now() + patience;
  pollfd polled[] = {{.fd = process.get(), .events = POLLIN, .revents = 0},
                     {.fd = errors, .events = POLLIN, .revents = 0}};
  bool late = !process.valid();
  while (!late && polled[0].revents == 0) {
    const int64_t left = absl::ToInt64Milliseconds(deadline - absl::Now());
    late = left <= 0 || poll(polled, 2, static_cast<int>(left)) == 0;
    if (polled[1].revents != 0 && !Collect(errors, text)) polled[1].fd = -1;
  }
  if (late) kill(pid, SIGKILL);
  int status = 0;
  while (waitpid(pid, &status, 0) < 0) {
    if (errno != EINTR) return ErrnoStatus(errno, "waitpid");
  }
  if (late) {
    return absl::DeadlineExceededError(
        absl::StrCat("is not in the background after ", absl::FormatDuration(patience)));
  }
  Collect(errors, text);
  return status;
}

}  // namespace

absl::StatusOr<ScopedFd> StartPasst(const PasstCommand& command, absl::Duration patience) {
  int pair[2];
  if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) != 0) {
    return ErrnoStatus(errno, "socketpair");
  }
  ScopedFd ours(pair[0]);
  ScopedFd theirs(pair[1]);
  int pipe[2];
  if (pipe2(pipe, O_CLOEXEC | O_NONBLOCK) != 0) return ErrnoStatus(errno, "pipe");
  const ScopedFd errors(pipe[0]);
  ScopedFd errors_end(pipe[1]);
  pid_t pid;
  {
    ASSIGN_OR_RETURN(const ScopedFd high_socket, Above(theirs));
    ASSIGN_OR_RETURN(const ScopedFd high_errors, Above(errors_end));
    ASSIGN_OR_RETURN(pid, Spawn(command, high_socket.get(), high_errors.get()));
  }
  theirs.Reset();
  errors_end.Reset();
  std::string text;
  absl::StatusOr<int> status = Await(pid, errors.get(), patience, text);
  if (!status.ok()) return Annotate(status.status(), command.path);
  if (*status == 0) return ours;
  return absl::FailedPreconditionError(
      absl::StrCat(command.path,
                   WIFEXITED(*status) ? absl::StrCat(" ended with status ", WEXITSTATUS(*status))
                                      : absl::StrCat(" was ended by signal ", WTERMSIG(*status)),
                   text.empty() ? "" : ": ", Said(text)));
}

}  // namespace touchstone
