#include "vmm/jail/jail_testing.h"

#include <fcntl.h>
#include <grp.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <utility>

#include "absl/strings/str_cat.h"
#include "base/log.h"
#include "vmm/jail/filter.h"

namespace touchstone {
namespace {

constexpr char kProbe[] = "vmm/jail/jail_probe";

std::string ReadAll(int fd) {
  std::string text;
  char bytes[4096];
  ssize_t size;
  while ((size = read(fd, bytes, sizeof(bytes))) > 0) text.append(bytes, static_cast<size_t>(size));
  return text;
}

// Opened once: an ordinary user may not get at the path.
int ProbeFd() {
  static const int fd = open(kProbe, O_PATH | O_CLOEXEC);
  CHECK(fd >= 0);
  return fd;
}

}  // namespace

Policy AllowAll() { return {.fallback = {.kind = SyscallAction::Kind::kAllow}}; }

ProbeRequest::ProbeRequest(const std::string& attempt, const Policy& policy) {
  const std::string bytes = FilterBytes(*CompileFilter(policy));
  filter_.Reset(memfd_create("filter", MFD_CLOEXEC));
  CHECK(write(filter_.get(), bytes.data(), bytes.size()) == static_cast<ssize_t>(bytes.size()));
  int ends[2];
  CHECK(pipe2(ends, O_CLOEXEC) == 0);
  read_.Reset(ends[0]);
  write_.Reset(ends[1]);
  request_.name = "probe";
  request_.executable = absl::StrCat("/proc/self/fd/", ProbeFd());
  request_.arguments = {"jail_probe", attempt};
  request_.fds.Set(STDERR_FILENO, STDERR_FILENO);
  request_.fds.Set(5, filter_.get());
  request_.fds.Set(6, write_.get());
}

ScopedFd ProbeRequest::TakeResult() {
  write_.Reset();
  return std::move(read_);
}

ProbeOutcome RunProbe(const std::string& attempt, const Policy& policy,
                      const std::string& pivot_root) {
  ProbeRequest probe(attempt, policy);
  SpawnRequest request = probe.request();
  request.pivot_root = pivot_root;
  absl::StatusOr<JailedProcess> process = Spawn(std::move(request));
  if (!process.ok()) return {.confined = process.status()};
  const ScopedFd result = probe.TakeResult();
  ProbeOutcome outcome;
  outcome.confined = process->AwaitConfined(absl::Seconds(30));
  outcome.line = ReadAll(result.get());
  outcome.end = process->AwaitEnd();
  return outcome;
}

std::string AsUser(unsigned int id, const std::function<std::string()>& body) {
  ProbeFd();
  int ends[2];
  CHECK(pipe2(ends, O_CLOEXEC) == 0);
  const pid_t pid = fork();
  if (pid == 0) {
    std::string text = "not root";
    if (setgroups(0, nullptr) == 0 && setresgid(id, id, id) == 0 && setresuid(id, id, id) == 0) {
      // As after a login, not after a change of user.
      prctl(PR_SET_DUMPABLE, 1, 0, 0, 0);
      text = body();
    }
    _exit(write(ends[1], text.data(), text.size()) < 0 ? 1 : 0);
  }
  close(ends[1]);
  std::string text = ReadAll(ends[0]);
  close(ends[0]);
  waitpid(pid, nullptr, 0);
  return text;
}

}  // namespace touchstone
