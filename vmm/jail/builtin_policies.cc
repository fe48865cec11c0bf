#include "vmm/jail/builtin_policies.h"

#include <string>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "vmm/jail/policy_parser.h"

namespace touchstone {
namespace {

// What the event loop, the vhost-user connection, guest memory, threads, libc's allocator and its
// way to die (abort) use.
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

# Descriptors that are there already.
{read, readv, write, writev, close, dup, lseek, fstat}: 1
{newfstatat, statx, fstatfs}: 1
{recvmsg, sendmsg, recvfrom, sendto, shutdown, getsockopt, getsockname, getpeername}: 1
fcntl: arg1 == F_GETFL || arg1 == F_SETFL || arg1 == F_GETFD || arg1 == F_SETFD || \
    arg1 == F_DUPFD_CLOEXEC || arg1 == F_GET_SEALS; return EINVAL
ioctl: arg1 == FIONBIO || arg1 == FIONREAD || arg1 == FIOCLEX || arg1 == BLKGETSIZE64 || \
    arg1 == BLKSSZGET; return ENOTTY

# Waiting.
{epoll_create1, epoll_ctl, epoll_wait, epoll_pwait, poll, ppoll, eventfd2}: 1
{timerfd_create, timerfd_settime, timerfd_gettime, nanosleep, clock_nanosleep}: 1
{clock_gettime, gettimeofday, time, restart_syscall}: 1

# Threads of this process; no processes. Where clone3 is not there, libc uses clone.
clone: arg0 & CLONE_THREAD && arg0 in \
    CLONE_VM|CLONE_FS|CLONE_FILES|CLONE_SIGHAND|CLONE_THREAD|CLONE_SYSVSEM|CLONE_SETTLS| \
    CLONE_PARENT_SETTID|CLONE_CHILD_CLEARTID|CLONE_DETACHED
clone3: return ENOSYS
{futex, set_robust_list, sched_yield, gettid, getpid, exit, exit_group}: 1
rseq: 1
prctl: arg0 == PR_SET_NAME || arg0 == PR_SET_VMA; return EINVAL
{sched_getaffinity, membarrier}: 1
{rt_sigaction, rt_sigprocmask, rt_sigreturn, sigaltstack}: 1
tgkill: arg2 == SIGABRT || arg2 == SIGUSR1

# No files are there, and programs that ask hear so.
{open, openat, access, faccessat, faccessat2, stat, lstat, readlink, readlinkat}: return ENOENT
getrandom: 1
)";

struct Words {
  absl::string_view name;
  absl::string_view text;
};

constexpr Words kDevices[] = {
    {"rng_device", ""},
    {"block_device",
     "{preadv, pwritev, preadv2, pwritev2, pread64, pwrite64, fsync, fdatasync, fallocate}: 1\n"
     "{io_uring_setup, io_uring_enter, io_uring_register, flock}: 1\n"},
    {"serial_device", "{accept4, fsync, fdatasync}: 1\n"},
    {"net_device", ""},
};

// Sanitizers look at themselves, and report through files.
#if defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
constexpr absl::string_view kSanitizer =
    "{getrlimit, prlimit64, personality, getppid, uname, getuid, getdents64, pipe2}: 1\n";
#define TOUCHSTONE_JAIL_SANITIZER 1
#endif
#endif
#ifndef TOUCHSTONE_JAIL_SANITIZER
constexpr absl::string_view kSanitizer = "";
#endif

}  // namespace

absl::StatusOr<Policy> BuiltinPolicy(absl::string_view name) {
  for (const Words& words : kDevices) {
    if (words.name != name) continue;
    return ParsePolicy(absl::StrCat(kBase, words.text, kSanitizer), name,
                       [](const std::string& file) -> absl::StatusOr<std::string> {
                         return absl::NotFoundError(absl::StrCat("no file ", file));
                       });
  }
  return absl::NotFoundError(absl::StrCat("there is no policy ", name));
}

}  // namespace touchstone
