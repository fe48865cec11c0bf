#include "integration/virtio/qemu_monitor.h"

#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstdlib>
#include <utility>

#include "absl/status/statusor.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "base/unix_socket.h"

namespace touchstone {
namespace {

constexpr absl::string_view kPrompt = "(qemu) ";
constexpr absl::Duration kPatience = absl::Minutes(1);

}  // namespace

QemuMonitor::QemuMonitor(const std::string& path) {
  const absl::Time deadline = absl::Now() + kPatience;
  while (!socket_.valid() && absl::Now() < deadline) {
    absl::StatusOr<ScopedFd> socket = ConnectUnix(path, SOCK_STREAM);
    if (socket.ok()) {
      socket_ = *std::move(socket);
    } else {
      absl::SleepFor(absl::Milliseconds(20));
    }
  }
  ReadAnswer();
}

std::string QemuMonitor::ReadAnswer() {
  std::string answer;
  const absl::Time deadline = absl::Now() + kPatience;
  while (!absl::EndsWith(answer, kPrompt)) {
    pollfd poll_fd = {.fd = socket_.get(), .events = POLLIN, .revents = 0};
    const auto left = static_cast<int>(absl::ToInt64Milliseconds(deadline - absl::Now()));
    if (left <= 0 || poll(&poll_fd, 1, left) <= 0) return absl::StrCat("no answer: ", answer);
    char bytes[4096];
    const ssize_t count = read(socket_.get(), bytes, sizeof(bytes));
    if (count <= 0) return absl::StrCat("QEMU is gone: ", answer);
    answer.append(bytes, static_cast<size_t>(count));
  }
  answer.resize(answer.size() - kPrompt.size());
  return answer;
}

std::string QemuMonitor::Say(absl::string_view command) {
  const std::string line = absl::StrCat(command, "\n");
  if (write(socket_.get(), line.data(), line.size()) != static_cast<ssize_t>(line.size())) {
    return "QEMU takes no command";
  }
  const std::string answer = ReadAnswer();
  // Behind the echo of the command, which its line editor makes.
  const size_t echo = answer.find('\n');
  return echo == std::string::npos ? answer : answer.substr(echo + 1);
}

template <typename Done>
std::string QemuMonitor::AskUntil(absl::string_view command, absl::Duration patience, Done done) {
  const absl::Time deadline = absl::Now() + patience;
  while (true) {
    std::string answer = Say(command);
    if (done(answer) || absl::Now() >= deadline) return answer;
    absl::SleepFor(absl::Milliseconds(50));
  }
}

std::string QemuMonitor::AwaitRunning(absl::Duration patience) {
  return AskUntil("info status", patience,
                  [](absl::string_view answer) { return absl::StrContains(answer, "running"); });
}

std::string QemuMonitor::AwaitMigration(absl::Duration patience) {
  return AskUntil("info migrate", patience,
                  [](absl::string_view answer) { return !absl::StrContains(answer, "active"); });
}

std::string QemuMonitor::AwaitPasses(int passes, absl::Duration patience) {
  return AskUntil("info migrate", patience, [passes](absl::string_view answer) {
    constexpr absl::string_view kCount = "dirty sync count: ";
    const size_t at = answer.find(kCount);
    const bool enough = at != absl::string_view::npos &&
                        atoi(std::string(answer.substr(at + kCount.size(), 9)).c_str()) >= passes;
    return enough || absl::StrContains(answer, "failed");
  });
}

}  // namespace touchstone
