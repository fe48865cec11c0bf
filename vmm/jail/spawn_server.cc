#include "vmm/jail/spawn_server.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cstdint>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "base/scoped_fd.h"
#include "base/status.h"
#include "vmm/jail/child_end.h"
#include "vmm/jail/spawn.h"

namespace touchstone {
namespace {

// A part of a request: descriptors with the numbers that the child has them at. The first two of a
// request are the child's keeper and its end of the report socket.
struct Part {
  char name[56] = {};  // Ends with 0.
  uint32_t last = 0;
  uint32_t count = 0;
  int32_t numbers[FdSocket::kMaxFds] = {};
};

constexpr size_t kOwnFds = 2;

void CopyText(absl::string_view text, char* to, size_t size) {
  const size_t length = std::min(text.size(), size - 1);
  std::copy_n(text.begin(), length, to);
  to[length] = '\0';
}

template <typename T>
absl::Span<uint8_t> BytesOf(T& object) {
  return {reinterpret_cast<uint8_t*>(&object), sizeof(object)};
}

// --- The server's side.

// A child, or the refusal of one that nobody has read yet.
struct Child {
  FdSocket keeper;
  ScopedFd pidfd;
  bool killed = false;
};

class Server {
 public:
  Server(FdSocket socket, SpawnServer::Program program)
      : socket_(std::move(socket)), program_(std::move(program)) {}

  // Until the other end closes.
  void Run() {
    do {
      PollChildren();
    } while (TakePart());
  }

 private:
  // Waits until the socket has something, and looks after the children meanwhile.
  void PollChildren() {
    while (true) {
      std::vector<pollfd> polls = {{.fd = socket_.fd(), .events = POLLIN}};
      for (const Child& child : children_) {
        polls.push_back({.fd = child.killed ? -1 : child.keeper.fd(), .events = POLLIN});
        polls.push_back({.fd = child.pidfd.get(), .events = POLLIN});
      }
      if (poll(polls.data(), polls.size(), -1) < 0) continue;
      for (size_t i = children_.size(); i-- > 0;) {
        if (polls[2 * i + 1].revents != 0) Kill(children_[i]);
        if (polls[2 * i + 2].revents == 0) continue;
        const absl::StatusOr<ChildEnd> end = WaitForChild(children_[i].pidfd.get());
        Tell(children_[i].keeper, end.ok() ? *end : ChildEnd{});
        children_.erase(children_.begin() + static_cast<ptrdiff_t>(i));
      }
      if (polls[0].revents != 0) return;
    }
  }

  static void Kill(Child& child) {
    // A socket that closes with something unread in it resets the other end.
    uint8_t byte = 0;
    child.keeper.Receive({&byte, 1}).IgnoreError();
    child.killed = true;
    syscall(SYS_pidfd_send_signal, child.pidfd.get(), SIGKILL, nullptr, 0);
  }

  // Whoever does not listen any more needs no answer.
  static void Tell(const FdSocket& keeper, ChildEnd end) {
    keeper.Send(BytesOf(end)).IgnoreError();
  }

  // False when nobody is there any more, or says what nobody would.
  bool TakePart() {
    Part part;
    std::vector<ScopedFd> fds;
    const absl::StatusOr<size_t> size = socket_.Receive(BytesOf(part), &fds);
    if (!size.ok() || *size != sizeof(part) || part.count != fds.size()) return false;
    for (size_t i = 0; i < fds.size(); ++i) {
      numbers_.push_back(part.numbers[i]);
      fds_.push_back(std::move(fds[i]));
    }
    if (fds_.size() > SpawnServer::kMaxFds + kOwnFds) return false;
    if (part.last == 0) return true;
    part.name[sizeof(part.name) - 1] = '\0';
    const bool valid = fds_.size() >= kOwnFds && StartChild(part.name);
    numbers_.clear();
    fds_.clear();
    return valid;
  }

  bool StartChild(const char* name) {
    FdMap map;
    for (size_t i = kOwnFds; i < fds_.size(); ++i) {
      if (numbers_[i] < 0) return false;
      map.Set(numbers_[i], fds_[i].get());
    }
    FdSocket keeper(std::move(fds_[0]));
    std::vector<std::string> arguments = program_.arguments;
    if (program_.name_is_argument) arguments.emplace_back(name);
    absl::StatusOr<SpawnedChild> child = SpawnChild({.name = name,
                                                     .executable = program_.executable,
                                                     .arguments = std::move(arguments),
                                                     .fds = std::move(map),
                                                     .pivot_root = program_.pivot_root},
                                                    fds_[1].get());
    if (child.ok()) {
      children_.push_back({.keeper = std::move(keeper), .pidfd = std::move(child->pidfd)});
      return true;
    }
    ChildEnd end = {.kind = ChildEnd::Kind::kNotStarted};
    const std::string why(child.status().message());
    CopyText(absl::StrCat(name, ": ", why), end.text, sizeof(end.text));
    Tell(keeper, end);
    return true;
  }

  const FdSocket socket_;
  const SpawnServer::Program program_;
  std::vector<Child> children_;
  // Of the request that is being received.
  std::vector<int32_t> numbers_;
  std::vector<ScopedFd> fds_;
};

// In the forked process. Children die with the thread that made them, which this is.
[[noreturn]] void RunServer(const ScopedFd& socket, const ScopedFd& executable,
                            SpawnServer::Program program) {
  constexpr int kSocketFd = 3;
  constexpr int kExecutableFd = 4;
  prctl(PR_SET_NAME, "jails");
  // A parent that dies before that has hung up.
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  // What ends the machine does so in an order of its own; this process ends after it.
  for (const int number : {SIGHUP, SIGINT, SIGQUIT, SIGTERM}) {
    if (signal(number, SIG_IGN) == SIG_ERR) _exit(1);
  }
  const absl::StatusOr<ScopedFd> null = OpenFile("/dev/null", O_RDWR);
  if (!null.ok()) _exit(1);
  FdMap fds;
  fds.Set(STDIN_FILENO, null->get());
  fds.Set(STDOUT_FILENO, null->get());
  fds.Set(STDERR_FILENO, fcntl(STDERR_FILENO, F_GETFD) < 0 ? null->get() : STDERR_FILENO);
  fds.Set(kSocketFd, socket.get(), FdMap::OnExec::kClose);
  fds.Set(kExecutableFd, executable.get(), FdMap::OnExec::kClose);
  if (!fds.Apply()) _exit(1);
  program.executable = absl::StrCat("/proc/self/fd/", kExecutableFd);
  Server(FdSocket(ScopedFd(kSocketFd)), std::move(program)).Run();
  _exit(0);
}

}  // namespace

absl::StatusOr<std::unique_ptr<SpawnServer>> SpawnServer::Start(Program program) {
  RETURN_IF_ERROR(CheckPivotRoot(program.pivot_root));
  ASSIGN_OR_RETURN(auto sockets, FdSocket::CreatePair(FdSocket::Kind::kSeqPacket));
  ASSIGN_OR_RETURN(const ScopedFd executable, OpenFile(program.executable, O_PATH));
  const pid_t pid = fork();
  if (pid < 0) return ErrnoStatus(errno, "the sandbox: fork");
  if (pid == 0) {
    RunServer(std::move(sockets.second).Release(), executable, std::move(program));
  }
  return std::unique_ptr<SpawnServer>(new SpawnServer(std::move(sockets.first), pid));
}

SpawnServer::~SpawnServer() {
  {
    MutexLock lock(mutex_);
    socket_ = FdSocket(ScopedFd());
  }
  while (waitpid(pid_, nullptr, 0) < 0 && errno == EINTR) {
  }
}

absl::StatusOr<JailedProcess> SpawnServer::Spawn(std::string name, const FdMap& fds) const {
  if (fds.entries().size() > kMaxFds) {
    return absl::ResourceExhaustedError(absl::StrCat("the jail of ", name, ": ",
                                                     fds.entries().size(), " descriptors, at most ",
                                                     kMaxFds, " can be given"));
  }
  ASSIGN_OR_RETURN(auto keeper, FdSocket::CreatePair(FdSocket::Kind::kSeqPacket));
  ASSIGN_OR_RETURN(auto reports, FdSocket::CreatePair(FdSocket::Kind::kSeqPacket));
  std::vector<int> given = {keeper.second.fd(), reports.second.fd()};
  std::vector<int32_t> numbers = {-1, -1};
  for (const FdMap::Entry& entry : fds.entries()) {
    given.push_back(entry.fd);
    numbers.push_back(entry.number);
  }
  MutexLock lock(mutex_);
  for (size_t at = 0; at < given.size(); at += FdSocket::kMaxFds) {
    const size_t count = std::min(given.size() - at, FdSocket::kMaxFds);
    Part part = {.last = at + count == given.size() ? 1U : 0U,
                 .count = static_cast<uint32_t>(count)};
    CopyText(name, part.name, sizeof(part.name));
    std::copy_n(numbers.begin() + static_cast<ptrdiff_t>(at), count, part.numbers);
    RETURN_IF_ERROR(
        Annotate(socket_.Send(BytesOf(part), absl::MakeConstSpan(given).subspan(at, count)),
                 absl::StrCat("the jail of ", name, ": the process that makes jails is gone")));
  }
  return JailedProcess(std::move(name), std::move(keeper.first),
                       std::move(reports.first).Release());
}

}  // namespace touchstone
