#include "vmm/jail/spawn.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cstdint>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "base/fd_socket.h"
#include "base/scoped_fd.h"
#include "base/status.h"
#include "vmm/jail/child_end.h"
#include "vmm/jail/jail_report.h"

namespace touchstone {
namespace {

// The child makes these itself: a network namespace takes longer than all else that the parent does
// for a child.
constexpr int kOwnNamespaces = CLONE_NEWNS | CLONE_NEWNET | CLONE_NEWIPC | CLONE_NEWUTS;

constexpr unsigned int kNobody = 65534;

// struct clone_args of linux/sched.h, which glibc's sched.h does not agree with.
struct CloneArguments {
  uint64_t flags = 0;
  uint64_t pidfd = 0;
  uint64_t child_tid = 0;
  uint64_t parent_tid = 0;
  uint64_t exit_signal = 0;
  uint64_t stack = 0;
  uint64_t stack_size = 0;
  uint64_t tls = 0;
};

// All that the child needs, made before it: a child of a process with threads can allocate nothing.
struct ChildPlan {
  bool user_namespace;
  int go;         // A byte comes when the maps are written.
  int go_parent;  // The parent's end of it.
  int reports;    // The child's end.
  const char* pivot_root;
  int executable;  // Its number after the map was applied.
  char** arguments;
  FdMap* fds;
};

[[noreturn]] void Fail(int reports, const char* step) {
  SendJailReport(reports, JailReport::Kind::kFailed, errno, step);
  _exit(1);
}

// Between clone and exec: system calls only. Raw ones where libc would tell other threads.
[[noreturn]] void RunChild(const ChildPlan& plan) {
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, nullptr);
  char byte;
  // So that a parent that dies ends the wait.
  close(plan.go_parent);
  if (read(plan.go, &byte, 1) != 1) _exit(1);
  if (unshare(kOwnNamespaces) != 0) Fail(plan.reports, "unshare of namespaces");
  if (plan.pivot_root != nullptr) {
    const int root = open_tree(AT_FDCWD, plan.pivot_root, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);
    if (root < 0) Fail(plan.reports, "--pivot-root: open_tree");
    plan.fds->Set(kJailRootFd, root);
  }
  if (plan.user_namespace) {
    // An ordinary user may not leave his groups.
    syscall(SYS_setgroups, 0, nullptr);
    if (syscall(SYS_setresgid, 0, 0, 0) != 0) Fail(plan.reports, "setresgid");
    if (syscall(SYS_setresuid, 0, 0, 0) != 0) Fail(plan.reports, "setresuid");
  }
  if (!plan.fds->Apply()) Fail(plan.reports, "the map of descriptors");
  char* const no_environment[] = {nullptr};
  syscall(SYS_execveat, plan.executable, "", plan.arguments, no_environment, AT_EMPTY_PATH);
  Fail(kJailReportFd, "execveat");
}

absl::Status WriteProcFile(pid_t pid, absl::string_view name, absl::string_view text) {
  const std::string path = absl::StrCat("/proc/", pid, "/", name);
  ASSIGN_OR_RETURN(const ScopedFd file, OpenFile(path, O_WRONLY));
  if (write(file.get(), text.data(), text.size()) != static_cast<ssize_t>(text.size())) {
    return ErrnoStatus(errno, absl::StrCat("write ", path));
  }
  return absl::OkStatus();
}

// The child's user 0 and group 0 are these of ours.
absl::Status WriteIdMaps(pid_t pid) {
  if (geteuid() == 0) {
    const absl::Status mapped = WriteProcFile(pid, "uid_map", absl::StrCat("0 ", kNobody, " 1\n"));
    if (mapped.ok()) return WriteProcFile(pid, "gid_map", absl::StrCat("0 ", kNobody, " 1\n"));
    // Root of a namespace that has no "nobody", or without the capability.
  }
  RETURN_IF_ERROR(WriteProcFile(pid, "uid_map", absl::StrCat("0 ", geteuid(), " 1\n")));
  // user_namespaces(7): without the capability, groups are mapped by those only who cannot drop
  // them.
  RETURN_IF_ERROR(WriteProcFile(pid, "setgroups", "deny"));
  return WriteProcFile(pid, "gid_map", absl::StrCat("0 ", getegid(), " 1\n"));
}

absl::Status NoNamespaces(absl::string_view why) {
  return absl::FailedPreconditionError(absl::StrCat(
      "the sandbox's namespaces: ", why,
      "; user namespaces may be forbidden here (sysctl user.max_user_namespaces, "
      "kernel.unprivileged_userns_clone, AppArmor, a container's policy); --disable-sandbox runs "
      "devices inside the main process"));
}

}  // namespace

absl::Status CheckPivotRoot(std::string& path) {
  struct stat info;
  if (path.empty()) return absl::OkStatus();
  if (path[0] != '/') {
    return absl::InvalidArgumentError(
        absl::StrCat("--pivot-root: '", path, "' is not an absolute path"));
  }
  if (stat(path.c_str(), &info) != 0) {
    if (errno != ENOENT) return ErrnoStatus(errno, absl::StrCat("--pivot-root: ", path));
    path.clear();
    return absl::OkStatus();
  }
  if (!S_ISDIR(info.st_mode)) {
    return absl::InvalidArgumentError(absl::StrCat("--pivot-root: ", path, " is not a directory"));
  }
  return absl::OkStatus();
}

absl::StatusOr<SpawnedChild> SpawnChild(SpawnRequest request, int reports) {
  RETURN_IF_ERROR(CheckPivotRoot(request.pivot_root));
  ASSIGN_OR_RETURN(auto go, FdSocket::CreatePair(FdSocket::Kind::kSeqPacket));
  ASSIGN_OR_RETURN(const ScopedFd null, OpenFile("/dev/null", O_RDWR));
  ASSIGN_OR_RETURN(const ScopedFd executable, OpenFile(request.executable, O_PATH));
  for (const int stream : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO}) {
    if (!request.fds.Has(stream)) request.fds.Set(stream, null.get());
  }
  request.fds.Set(kJailReportFd, reports);
  // The child puts the mount here. Set now, since it must not allocate.
  if (!request.pivot_root.empty()) request.fds.Set(kJailRootFd, null.get());
  const int executable_number = request.fds.Append(executable.get(), FdMap::OnExec::kClose);
  std::vector<char*> arguments;
  for (std::string& argument : request.arguments) arguments.push_back(argument.data());
  arguments.push_back(nullptr);

  int pidfd = -1;
  CloneArguments clone = {.flags = CLONE_PIDFD | CLONE_NEWUSER | CLONE_NEWPID,
                          .pidfd = reinterpret_cast<uintptr_t>(&pidfd),
                          .exit_signal = SIGCHLD};
  ChildPlan plan = {.user_namespace = true,
                    .go = go.second.fd(),
                    .go_parent = go.first.fd(),
                    .reports = reports,
                    .pivot_root = request.pivot_root.empty() ? nullptr : request.pivot_root.c_str(),
                    .executable = executable_number,
                    .arguments = arguments.data(),
                    .fds = &request.fds};
  long pid = syscall(SYS_clone3, &clone, sizeof(clone));
  if (pid < 0 && geteuid() == 0) {
    plan.user_namespace = false;
    clone.flags &= ~uint64_t{CLONE_NEWUSER};
    pid = syscall(SYS_clone3, &clone, sizeof(clone));
  }
  if (pid < 0) return NoNamespaces(absl::StrCat("clone3: ", strerror(errno)));
  if (pid == 0) RunChild(plan);
  SpawnedChild child = {.pid = static_cast<pid_t>(pid), .pidfd = ScopedFd(pidfd)};
  const auto let_go = [&]() -> absl::Status {
    if (plan.user_namespace) {
      const absl::Status mapped = WriteIdMaps(child.pid);
      // Root without capabilities can be mapped to nobody.
      if (!mapped.ok()) return NoNamespaces(mapped.message());
    }
    const uint8_t byte = 1;
    return go.first.Send({&byte, 1});
  };
  absl::Status gone = let_go();
  if (gone.ok()) return child;
  // It waits in vain.
  go = {FdSocket(ScopedFd()), FdSocket(ScopedFd())};
  WaitForChild(child.pidfd.get()).IgnoreError();
  return gone;
}

absl::StatusOr<JailedProcess> Spawn(SpawnRequest request) {
  std::string name = request.name;
  ASSIGN_OR_RETURN(auto reports, FdSocket::CreatePair(FdSocket::Kind::kSeqPacket));
  ASSIGN_OR_RETURN(SpawnedChild child, SpawnChild(std::move(request), reports.second.fd()));
  return JailedProcess(std::move(name), std::move(child.pidfd), std::move(reports.first).Release());
}

}  // namespace touchstone
