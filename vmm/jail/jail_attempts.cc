#include "vmm/jail/jail_attempts.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <net/if.h>
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/reboot.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <unistd.h>

#include <csignal>
#include <cstdlib>
#include <cstring>
#include <thread>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"

namespace touchstone {
namespace {

std::string Outcome(long result) {
  return result >= 0 ? "ok" : std::string(strerrorname_np(errno));
}

// The numbers that are open.
std::string Descriptors() {
  std::string open;
  for (int number = 0; number < 70000; ++number) {
    if (fcntl(number, F_GETFD) >= 0) absl::StrAppend(&open, open.empty() ? "" : " ", number);
  }
  return open;
}

// All five sets and the rest of what a process may be.
std::string Privileges() {
  __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3, .pid = 0};
  __user_cap_data_struct sets[_LINUX_CAPABILITY_U32S_3] = {};
  syscall(SYS_capget, &header, sets);
  uint32_t own = 0;
  for (const auto& set : sets) own |= set.effective | set.permitted | set.inheritable;
  int bounding = 0;
  int ambient = 0;
  for (int capability = 0; capability < 41; ++capability) {
    bounding += prctl(PR_CAPBSET_READ, capability, 0, 0, 0) == 1 ? 1 : 0;
    ambient +=
        prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_IS_SET, static_cast<long>(capability), 0, 0) == 1 ? 1
                                                                                               : 0;
  }
  return absl::StrCat("own ", own, " bounding ", bounding, " ambient ", ambient, " no_new_privs ",
                      prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0), " dumpable ",
                      prctl(PR_GET_DUMPABLE, 0, 0, 0, 0), " pid ", getpid());
}

// What lies at an address that meant something to the parent.
std::string Peek(absl::string_view address) {
  uint64_t at = 0;
  if (!absl::SimpleHexAtoi(address, &at)) return "no address";
  char bytes[16] = {};
  // A system call, so that an address where nothing is makes an error.
  int ends[2];
  if (pipe(ends) != 0) return "no pipe";
  if (syscall(SYS_write, ends[1], at, sizeof(bytes)) < 0) return Outcome(-1);
  if (read(ends[0], bytes, sizeof(bytes)) < 0) return Outcome(-1);
  return std::string(bytes, sizeof(bytes));
}

int Connect(int family, const sockaddr* address, socklen_t size) {
  const int fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0);
  return fd < 0 ? fd : connect(fd, address, size);
}

int ConnectTcp() {
  sockaddr_in address = {};
  address.sin_family = AF_INET;
  address.sin_port = htons(80);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  return Connect(AF_INET, reinterpret_cast<sockaddr*>(&address), sizeof(address));
}

int ConnectUnixSocket() {
  sockaddr_un address = {};
  address.sun_family = AF_UNIX;
  std::strcpy(address.sun_path, "/dev/log");
  return Connect(AF_UNIX, reinterpret_cast<sockaddr*>(&address), sizeof(address));
}

long MapCode() {
  void* const at =
      mmap(nullptr, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  return at == MAP_FAILED ? -1 : 0;
}

std::string RunThread() {
  std::string result = "no";
  std::thread([&result] { result = "ok"; }).join();
  return result;
}

}  // namespace

std::string TryInJail(absl::string_view attempt) {
  char* const no_arguments[] = {nullptr};
  char byte = 0;
  iovec local = {.iov_base = &byte, .iov_len = 1};
  if (attempt == "nothing") return "ok";
  if (attempt == "descriptors") return Descriptors();
  if (attempt == "privileges") return Privileges();
  if (absl::ConsumePrefix(&attempt, "peek ")) return Peek(attempt);
  if (attempt == "thread") return RunThread();
  if (attempt == "open") return Outcome(open("/etc/passwd", O_RDONLY | O_CLOEXEC));
  if (attempt == "open_self") return Outcome(open("/proc/self/fd", O_RDONLY | O_CLOEXEC));
  if (attempt == "create") return Outcome(open("/file", O_CREAT | O_RDWR | O_CLOEXEC, 0600));
  if (attempt == "mkdir") return Outcome(mkdir("/directory", 0700));
  if (attempt == "list") return Outcome(open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (attempt == "up") return Outcome(open("/../../etc", O_RDONLY | O_CLOEXEC));
  if (attempt == "tcp") return Outcome(ConnectTcp());
  if (attempt == "unix") return Outcome(ConnectUnixSocket());
  if (attempt == "interface") return if_nametoindex("eth0") == 0 ? "none" : "ok";
  if (attempt == "fork") return Outcome(syscall(SYS_fork));
  if (attempt == "clone3") return Outcome(syscall(SYS_clone3, nullptr, 0));
  if (attempt == "clone") return Outcome(syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0));
  if (attempt == "exec") return Outcome(execve("/bin/true", no_arguments, no_arguments));
  if (attempt == "execveat") {
    return Outcome(syscall(SYS_execveat, 0, "", no_arguments, no_arguments, AT_EMPTY_PATH));
  }
  if (attempt == "ptrace") return Outcome(ptrace(PTRACE_TRACEME, 0, nullptr, nullptr));
  if (attempt == "process_vm_readv") {
    return Outcome(process_vm_readv(2, &local, 1, &local, 1, 0));
  }
  if (attempt == "mount") return Outcome(mount("none", "/", "tmpfs", 0, nullptr));
  if (attempt == "umount") return Outcome(umount2("/", MNT_DETACH));
  if (attempt == "chroot") return Outcome(chroot("/"));
  if (attempt == "setuid") return Outcome(setresuid(0, 0, 0));
  if (attempt == "setuid_other") return Outcome(setresuid(1000, 1000, 1000));
  if (attempt == "unshare") return Outcome(unshare(CLONE_NEWUSER));
  if (attempt == "capset") {
    __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3, .pid = 0};
    const __user_cap_data_struct all[_LINUX_CAPABILITY_U32S_3] = {{~0u, ~0u, ~0u}, {}};
    return Outcome(syscall(SYS_capset, &header, all));
  }
  if (attempt == "memory") return Outcome(open("/proc/1/mem", O_RDWR | O_CLOEXEC));
  if (attempt == "kill") return Outcome(kill(-1, SIGKILL));
  if (attempt == "reboot") return Outcome(syscall(SYS_reboot, 0, 0, 0, nullptr));
  if (attempt == "code") return Outcome(MapCode());
  if (attempt == "tty") return Outcome(syscall(SYS_ioctl, 0, 0x5412 /* TIOCSTI */, &byte));
  if (attempt == "handler") return signal(SIGSYS, SIG_IGN) == SIG_ERR ? "refused" : "ok";
  if (attempt == "abort") {
    // Sanitizers have handlers. The first process of a namespace survives the one, not the other.
    signal(SIGABRT, SIG_DFL);
    signal(SIGSEGV, SIG_DFL);
    std::abort();
  }
  if (attempt == "crash") __builtin_trap();
  if (attempt == "sleep") pause();
  if (attempt == "wait") return Outcome(read(0, &byte, 1));
  return "unknown attempt";
}

}  // namespace touchstone
