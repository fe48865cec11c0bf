#include "vmm/jail/builtin_policies.h"

#include <unistd.h>

#include <string>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "vmm/jail/policy_parser.h"

namespace touchstone {
namespace {

// What the event loop, the vhost-user connection, guest memory, libc's allocator and its way to die
// (abort) use.
constexpr absl::string_view kBase = R"(
# Memory. Nothing becomes code.
mmap: arg2 in ~PROT_EXEC
mprotect: arg2 in ~PROT_EXEC
munmap: 1
mremap: 1
brk: 1
madvise: arg2 == MADV_DONTNEED || arg2 == MADV_REMOVE || arg2 == MADV_DONTDUMP || \
    arg2 == MADV_HUGEPAGE || arg2 == MADV_NOHUGEPAGE || arg2 == MADV_FREE || \
    arg2 == MADV_WILLNEED || arg2 == MADV_DONTFORK; return EINVAL

# Where requests in flight are noted for the next process.
memfd_create: 1

# Descriptors that are there already.
{read, readv, write, writev, close, dup, lseek, fstat, pipe2}: 1
{newfstatat, statx, fstatfs}: 1
{recvmsg, sendmsg, recvfrom, sendto, shutdown, getsockopt, getsockname, getpeername}: 1
fcntl: arg1 == F_GETFL || arg1 == F_SETFL || arg1 == F_GETFD || arg1 == F_SETFD || \
    arg1 == F_DUPFD_CLOEXEC || arg1 == F_GET_SEALS; return EINVAL

# Waiting.
{epoll_create1, epoll_ctl, epoll_wait, epoll_pwait, poll, ppoll, eventfd2}: 1
{timerfd_create, timerfd_settime, timerfd_gettime, nanosleep, clock_nanosleep}: 1
{clock_gettime, gettimeofday, time, restart_syscall}: 1

# Threads that are there.
{futex, set_robust_list, sched_yield, gettid, getpid, exit, exit_group}: 1
rseq: 1
prctl: arg0 == PR_SET_NAME || arg0 == PR_SET_VMA; return EINVAL
{sched_getaffinity, membarrier}: 1
{rt_sigaction, rt_sigprocmask, rt_sigreturn, sigaltstack}: 1

# No files are there, and programs that ask hear so.
{open, openat, access, faccessat, faccessat2, stat, lstat, readlink, readlinkat}: return ENOENT
getrandom: 1
)";

// No processes. Where clone3 is not there, libc uses clone.
constexpr absl::string_view kNewThreads = R"(
clone: arg0 & CLONE_THREAD && arg0 in \
    CLONE_VM|CLONE_FS|CLONE_FILES|CLONE_SIGHAND|CLONE_THREAD|CLONE_SYSVSEM|CLONE_SETTLS| \
    CLONE_PARENT_SETTID|CLONE_CHILD_CLEARTID|CLONE_DETACHED
clone3: return ENOSYS
)";

constexpr absl::string_view kDeviceBase = "tgkill: arg2 == SIGABRT || arg2 == SIGUSR1\n";
constexpr absl::string_view kIoctl =
    "ioctl: arg1 == FIONBIO || arg1 == FIONREAD || arg1 == FIOCLEX";

// The machine's own threads hold the VM: its state, its interrupts and kicks, its memory slots.
// What the kernel works on for it (vhost, tap) is started and stopped by them.
constexpr absl::string_view kMachineIoctls = R"(
ioctl: arg1 == KVM_RUN || arg1 == KVM_IRQ_LINE || arg1 == KVM_SIGNAL_MSI || \
    arg1 == KVM_INTERRUPT || arg1 == KVM_SET_GSI_ROUTING || arg1 == KVM_IRQFD || \
    arg1 == KVM_IOEVENTFD || arg1 == KVM_SET_USER_MEMORY_REGION || arg1 == KVM_GET_DIRTY_LOG || \
    arg1 == KVM_KVMCLOCK_CTRL || arg1 == KVM_GET_CLOCK || arg1 == KVM_SET_CLOCK || \
    arg1 == KVM_GET_REGS || arg1 == KVM_SET_REGS || arg1 == KVM_GET_SREGS || \
    arg1 == KVM_SET_SREGS || arg1 == KVM_GET_MSRS || arg1 == KVM_SET_MSRS || \
    arg1 == KVM_GET_MP_STATE || arg1 == KVM_SET_MP_STATE || arg1 == KVM_GET_VCPU_EVENTS || \
    arg1 == KVM_SET_VCPU_EVENTS || arg1 == KVM_GET_LAPIC || arg1 == KVM_SET_LAPIC || \
    arg1 == KVM_GET_DEBUGREGS || arg1 == KVM_SET_DEBUGREGS || arg1 == KVM_GET_XCRS || \
    arg1 == KVM_SET_XCRS || arg1 == KVM_GET_XSAVE || arg1 == KVM_GET_XSAVE2 || \
    arg1 == KVM_SET_XSAVE || arg1 == KVM_SET_GUEST_DEBUG || arg1 == KVM_TRANSLATE || \
    arg1 == KVM_GET_IRQCHIP || arg1 == KVM_SET_IRQCHIP || arg1 == KVM_GET_PIT2 || \
    arg1 == KVM_GET_TSC_KHZ || arg1 == KVM_SET_TSC_KHZ || \
    arg1 == KVM_SET_PIT2 || arg1 == FIONBIO || arg1 == FIONREAD || arg1 == FIOCLEX || \
    arg1 == TUNSETOFFLOAD || arg1 == TUNSETQUEUE || \
    arg1 == VHOST_SET_OWNER || arg1 == VHOST_RESET_OWNER || \
    arg1 == VHOST_GET_FEATURES || arg1 == VHOST_SET_FEATURES || arg1 == VHOST_SET_MEM_TABLE || \
    arg1 == VHOST_SET_VRING_NUM || arg1 == VHOST_SET_VRING_ADDR || \
    arg1 == VHOST_SET_VRING_BASE || arg1 == VHOST_GET_VRING_BASE || \
    arg1 == VHOST_SET_VRING_KICK || arg1 == VHOST_SET_VRING_CALL || \
    arg1 == VHOST_SET_VRING_ERR || arg1 == VHOST_NET_SET_BACKEND || \
    arg1 == VHOST_VSOCK_SET_GUEST_CID || arg1 == VHOST_VSOCK_SET_RUNNING || \
    arg1 == TCGETS || arg1 == TCSETS || arg1 == TCSETSW || arg1 == TCSETSF || \
    arg1 == TIOCGWINSZ; return ENOTTY
{fsync, fdatasync, msync, pread64, pwrite64, preadv, pwritev, fallocate, ftruncate}: 1
)";

// Signals to this process's own threads: kicks of vCPUs, and what ends it.
std::string OwnSignals() { return absl::StrCat("tgkill: arg0 == ", getpid(), "\n"); }

// Whoever asks a jailed device first connects to it, or finds that it is dead.
constexpr absl::string_view kFrontEnds = "socketpair: arg0 == AF_UNIX\n";

// Clients of the control socket and of gdb; children that end; real-time priority for vCPUs later
// (make_rt).
constexpr absl::string_view kMainThread = R"(
{accept4, setsockopt, unlink, unlinkat, wait4}: 1
{sched_setscheduler, sched_getscheduler, sched_get_priority_min, sched_get_priority_max}: 1
)";

constexpr absl::string_view kConnections = "socket: arg0 == AF_UNIX\nconnect: 1\n";

struct Words {
  absl::string_view name;
  absl::string_view text;
  absl::string_view ioctls = "";  // What else is allowed of them.
};

constexpr Words kDevices[] = {
    {"balloon_device", "fallocate: arg1 == FALLOC_FL_PUNCH_HOLE|FALLOC_FL_KEEP_SIZE\n"},
    {"block_device",
     "{preadv, pwritev, preadv2, pwritev2, pread64, pwrite64, fsync, fdatasync}: 1\n"
     // Nothing that moves the end of a file, which may be memory of somebody's.
     "fallocate: arg1 in FALLOC_FL_KEEP_SIZE|FALLOC_FL_PUNCH_HOLE|FALLOC_FL_ZERO_RANGE; return "
     "EOPNOTSUPP\n"
     "{io_uring_setup, io_uring_enter, io_uring_register, flock, fadvise64}: 1\n",
     " || arg1 == BLKGETSIZE64 || arg1 == BLKSSZGET || arg1 == BLKDISCARD || arg1 == BLKZEROOUT"},
    {"net_device", "setsockopt: arg1 == SOL_SOCKET && arg2 == SO_SNDBUF\n",
     " || arg1 == TUNGETIFF || arg1 == TUNSETOFFLOAD || arg1 == TUNSETQUEUE"},
    {"rng_device", ""},
    {"serial_device", "", " || arg1 == TIOCGWINSZ"},
    {"vsock_device", "accept4: 1\n"},
};

// Sanitizers look at themselves, and report through files.
#if defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
constexpr absl::string_view kSanitizer =
    "{getrlimit, prlimit64, personality, getppid, uname, getuid, getdents64}: 1\n";
#define TOUCHSTONE_JAIL_SANITIZER 1
#endif
#endif
#ifndef TOUCHSTONE_JAIL_SANITIZER
constexpr absl::string_view kSanitizer = "";
#endif

absl::StatusOr<Policy> Parse(absl::string_view name, absl::string_view words) {
  return ParsePolicy(absl::StrCat(kBase, words, kSanitizer), name,
                     [](const std::string& file) -> absl::StatusOr<std::string> {
                       return absl::NotFoundError(absl::StrCat("no file ", file));
                     });
}

}  // namespace

absl::StatusOr<Policy> BuiltinPolicy(absl::string_view name) {
  if (name == kMainThreadPolicy) {
    return Parse(name,
                 absl::StrCat(kNewThreads, kMachineIoctls, OwnSignals(), kFrontEnds, kMainThread));
  }
  if (name == kConnectingThreadPolicy) {
    return Parse(name, absl::StrCat(kNewThreads, kMachineIoctls, OwnSignals(), kFrontEnds,
                                    kMainThread, kConnections));
  }
  if (name == kVcpuPolicy)
    return Parse(name, absl::StrCat(kMachineIoctls, OwnSignals(), kFrontEnds));
  for (const Words& words : kDevices) {
    if (words.name != name) continue;
    return Parse(name, absl::StrCat(kNewThreads, kIoctl, words.ioctls, "; return ENOTTY\n",
                                    kDeviceBase, words.text));
  }
  return absl::NotFoundError(absl::StrCat("there is no policy ", name));
}

}  // namespace touchstone
