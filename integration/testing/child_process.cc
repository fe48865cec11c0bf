#include "integration/testing/child_process.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <utility>

#include "absl/memory/memory.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/time/clock.h"
#include "base/status.h"

namespace touchstone {
namespace {

constexpr int kCannotExecute = 127;
// How often the end of a silent child is looked for.
constexpr absl::Duration kPollInterval = absl::Milliseconds(10);

struct Pipe {
  ScopedFd read;
  ScopedFd write;
};

absl::StatusOr<Pipe> MakePipe() {
  std::array<int, 2> ends;
  if (pipe2(ends.data(), O_CLOEXEC) != 0) return ErrnoStatus(errno, "pipe2");
  return Pipe{ScopedFd(ends[0]), ScopedFd(ends[1])};
}

struct Terminal {
  ScopedFd ours;
  ScopedFd theirs;
};

absl::StatusOr<Terminal> MakeTerminal() {
  Terminal terminal{ScopedFd(posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC)), ScopedFd()};
  if (!terminal.ours.valid()) return ErrnoStatus(errno, "posix_openpt");
  std::array<char, 64> name;
  if (grantpt(terminal.ours.get()) != 0 || unlockpt(terminal.ours.get()) != 0 ||
      ptsname_r(terminal.ours.get(), name.data(), name.size()) != 0) {
    return ErrnoStatus(errno, "pseudo-terminal");
  }
  ASSIGN_OR_RETURN(terminal.theirs, OpenFile(name.data(), O_RDWR | O_NOCTTY));
  termios settings;
  if (tcgetattr(terminal.theirs.get(), &settings) != 0) return ErrnoStatus(errno, "tcgetattr");
  cfmakeraw(&settings);
  if (tcsetattr(terminal.theirs.get(), TCSANOW, &settings) != 0) {
    return ErrnoStatus(errno, "tcsetattr");
  }
  return terminal;
}

// Between fork and exec: only what is async-signal-safe.
[[noreturn]] void Execute(char** arguments, int input, int output, int errors, bool terminal) {
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  setsid();
  if (terminal) ioctl(input, TIOCSCTTY, 0);
  dup2(input, STDIN_FILENO);
  dup2(output, STDOUT_FILENO);
  dup2(errors, STDERR_FILENO);
  signal(SIGPIPE, SIG_DFL);
  execvp(arguments[0], arguments);
  dprintf(STDERR_FILENO, "%s: %s\n", arguments[0], strerror(errno));
  _exit(kCannotExecute);
}

// Appends what can be read; closes `fd` at the end of file. A terminal ends with EIO.
void Collect(ScopedFd& fd, std::string& text) {
  std::array<char, 65536> buffer;
  const ssize_t got = read(fd.get(), buffer.data(), buffer.size());
  if (got > 0) {
    text.append(buffer.data(), static_cast<size_t>(got));
  } else if (got == 0 || (errno != EAGAIN && errno != EINTR)) {
    fd.Reset();
  }
}

}  // namespace

absl::StatusOr<std::unique_ptr<ChildProcess>> ChildProcess::Start(
    std::vector<std::string> arguments, Streams streams) {
  ASSIGN_OR_RETURN(Pipe errors, MakePipe());
  ScopedFd our_input;
  ScopedFd our_output;
  ScopedFd their_input;
  ScopedFd their_output;
  if (streams == Streams::kTerminal) {
    ASSIGN_OR_RETURN(Terminal terminal, MakeTerminal());
    ASSIGN_OR_RETURN(our_input, terminal.ours.Duplicate());
    ASSIGN_OR_RETURN(their_output, terminal.theirs.Duplicate());
    our_output = std::move(terminal.ours);
    their_input = std::move(terminal.theirs);
  } else {
    ASSIGN_OR_RETURN(Pipe input, MakePipe());
    ASSIGN_OR_RETURN(Pipe output, MakePipe());
    our_input = std::move(input.write);
    their_input = std::move(input.read);
    our_output = std::move(output.read);
    their_output = std::move(output.write);
  }
  if (fcntl(our_input.get(), F_SETFL, O_NONBLOCK) != 0 ||
      fcntl(our_output.get(), F_SETFL, O_NONBLOCK) != 0 ||
      fcntl(errors.read.get(), F_SETFL, O_NONBLOCK) != 0) {
    return ErrnoStatus(errno, "F_SETFL");
  }
  signal(SIGPIPE, SIG_IGN);

  std::vector<char*> pointers;
  pointers.reserve(arguments.size() + 1);
  for (std::string& argument : arguments) pointers.push_back(argument.data());
  pointers.push_back(nullptr);
  const pid_t pid = fork();
  if (pid < 0) return ErrnoStatus(errno, "fork");
  if (pid == 0) {
    Execute(pointers.data(), their_input.get(), their_output.get(), errors.write.get(),
            streams == Streams::kTerminal);
  }
  return absl::WrapUnique(
      new ChildProcess(pid, std::move(our_input), std::move(our_output), std::move(errors.read)));
}

ChildProcess::ChildProcess(pid_t pid, ScopedFd input, ScopedFd output, ScopedFd errors)
    : pid_(pid),
      input_fd_(std::move(input)),
      output_fd_(std::move(output)),
      error_fd_(std::move(errors)) {}

ChildProcess::~ChildProcess() {
  if (Poll().has_value()) return;
  Signal(SIGKILL);
  while (waitpid(pid_, nullptr, 0) < 0 && errno == EINTR) {
  }
}

void ChildProcess::Pump(absl::Duration wait) {
  std::array<pollfd, 2> sources = {pollfd{output_fd_.get(), POLLIN, 0},
                                   pollfd{error_fd_.get(), POLLIN, 0}};
  const int milliseconds = static_cast<int>(absl::ToInt64Milliseconds(
      std::clamp(absl::Ceil(wait, absl::Milliseconds(1)), absl::ZeroDuration(), kPollInterval)));
  if (poll(sources.data(), sources.size(), milliseconds) <= 0) return;
  if (sources[0].revents != 0) Collect(output_fd_, output_);
  if (sources[1].revents != 0) Collect(error_fd_, errors_);
}

absl::Status ChildProcess::Write(absl::string_view text, absl::Duration timeout) {
  const absl::Time deadline = absl::Now() + timeout;
  while (!text.empty()) {
    const ssize_t put = write(input_fd_.get(), text.data(), text.size());
    if (put > 0) {
      text.remove_prefix(static_cast<size_t>(put));
    } else if (errno != EAGAIN && errno != EINTR) {
      return ErrnoStatus(errno, "standard input of the child");
    } else if (absl::Now() >= deadline) {
      return absl::DeadlineExceededError(absl::StrFormat("the child did not read its input for %s",
                                                         absl::FormatDuration(timeout)));
    } else {
      Pump(kPollInterval);
    }
  }
  return absl::OkStatus();
}

void ChildProcess::CloseInput() { input_fd_.Reset(); }

void ChildProcess::Signal(int signal) {
  if (!Poll().has_value()) kill(pid_, signal);
}

absl::Status ChildProcess::Resize(int columns, int rows) {
  const winsize size = {.ws_row = static_cast<uint16_t>(rows),
                        .ws_col = static_cast<uint16_t>(columns),
                        .ws_xpixel = 0,
                        .ws_ypixel = 0};
  if (ioctl(input_fd_.get(), TIOCSWINSZ, &size) != 0) return ErrnoStatus(errno, "TIOCSWINSZ");
  return absl::OkStatus();
}

std::optional<int> ChildProcess::Poll() {
  int status = 0;
  if (!status_.has_value() && waitpid(pid_, &status, WNOHANG) == pid_) {
    status_ = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  }
  return status_;
}

absl::StatusOr<int> ChildProcess::Wait(absl::Duration timeout) {
  const absl::Time deadline = absl::Now() + timeout;
  while (!Poll().has_value()) {
    if (absl::Now() >= deadline) {
      return absl::DeadlineExceededError(
          absl::StrFormat("the child still runs after %s", absl::FormatDuration(timeout)));
    }
    Pump(kPollInterval);
    // With both streams at their end, poll returns at once.
    if (!output_fd_.valid() && !error_fd_.valid()) absl::SleepFor(absl::Milliseconds(1));
  }
  // What is in the pipes; others that the child has started may hold them open.
  for (size_t before = output_.size() + errors_.size() + 1;
       before != output_.size() + errors_.size();) {
    before = output_.size() + errors_.size();
    Pump(absl::ZeroDuration());
  }
  return *status_;
}

}  // namespace touchstone
