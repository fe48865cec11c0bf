#include "vmm/jail/confine.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/securebits.h>
#include <poll.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>

#include "vmm/jail/jail_report.h"
#include "vmm/jail/violation.h"

namespace touchstone {
namespace {

constexpr unsigned int kNobody = 65534;

[[noreturn]] void Fail(const char* step) {
  SendJailReport(kJailReportFd, JailReport::Kind::kFailed, errno, step);
  _exit(1);
}

void Require(bool done, const char* step) {
  if (!done) Fail(step);
}

// A mount of an empty file system, attached nowhere.
int EmptyMount() {
  const int context = fsopen("tmpfs", FSOPEN_CLOEXEC);
  Require(context >= 0, "fsopen of tmpfs");
  Require(fsconfig(context, FSCONFIG_SET_STRING, "size", "4k", 0) == 0, "fsconfig of tmpfs");
  Require(fsconfig(context, FSCONFIG_SET_STRING, "mode", "0555", 0) == 0, "fsconfig of tmpfs");
  Require(fsconfig(context, FSCONFIG_CMD_CREATE, nullptr, nullptr, 0) == 0, "making a tmpfs");
  const int mount = fsmount(context, FSMOUNT_CLOEXEC, 0);
  Require(mount >= 0, "fsmount of tmpfs");
  close(context);
  return mount;
}

// On a root that cannot be exchanged (an initramfs), the new one covers it, and without
// capabilities nobody gets below it.
void EnterRoot() {
  const bool given = fcntl(kJailRootFd, F_GETFD) >= 0;
  const int root = given ? kJailRootFd : EmptyMount();
  Require(mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) == 0, "private mounts");
  struct mount_attr attributes = {.attr_set = MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID |
                                              MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC};
  Require(mount_setattr(root, "", AT_EMPTY_PATH, &attributes, sizeof(attributes)) == 0,
          "mount_setattr");
  Require(move_mount(root, "", AT_FDCWD, "/", MOVE_MOUNT_F_EMPTY_PATH) == 0, "move_mount");
  Require(fchdir(root) == 0, "fchdir to the new root");
  if (syscall(SYS_pivot_root, ".", ".") == 0) {
    // pivot_root(2), NOTES: the old root now lies on the new one.
    Require(umount2(".", MNT_DETACH) == 0, "umount of the old root");
  } else {
    Require(errno == EINVAL && chroot(".") == 0, "pivot_root");
  }
  Require(chdir("/") == 0, "chdir to the new root");
  close(root);
}

// Within a user namespace there is no such user (EINVAL), and Spawn() has chosen one already.
void BecomeNobody() {
  if (syscall(SYS_setresgid, kNobody, kNobody, kNobody) != 0) {
    Require(errno == EINVAL, "setresgid");
    return;
  }
  Require(syscall(SYS_setgroups, 0, nullptr) == 0, "setgroups");
  Require(syscall(SYS_setresuid, kNobody, kNobody, kNobody) == 0, "setresuid");
}

void DropCapabilities() {
  // Before the set that allows it is empty.
  for (unsigned long capability = 0; capability < 64; ++capability) {
    if (prctl(PR_CAPBSET_DROP, capability, 0, 0, 0) != 0) {
      Require(errno == EINVAL, "PR_CAPBSET_DROP");  // There are no more.
      break;
    }
  }
  constexpr unsigned long kSecureBits = SECBIT_NOROOT | SECBIT_NOROOT_LOCKED |
                                        SECBIT_NO_SETUID_FIXUP | SECBIT_NO_SETUID_FIXUP_LOCKED |
                                        SECBIT_KEEP_CAPS_LOCKED | SECBIT_NO_CAP_AMBIENT_RAISE |
                                        SECBIT_NO_CAP_AMBIENT_RAISE_LOCKED;
  Require(prctl(PR_SET_SECUREBITS, kSecureBits, 0, 0, 0) == 0, "PR_SET_SECUREBITS");
  Require(prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) == 0, "PR_CAP_AMBIENT");
  BecomeNobody();
  __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3, .pid = 0};
  const __user_cap_data_struct none[_LINUX_CAPABILITY_U32S_3] = {};
  Require(syscall(SYS_capset, &header, none) == 0, "capset");
  Require(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0, "PR_SET_NO_NEW_PRIVS");
}

void LimitResources(int max_fds) {
  rlimit files;
  Require(getrlimit(RLIMIT_NOFILE, &files) == 0, "getrlimit");
  files.rlim_max = std::min<rlim_t>(files.rlim_max, static_cast<rlim_t>(max_fds));
  files.rlim_cur = files.rlim_max;
  Require(setrlimit(RLIMIT_NOFILE, &files) == 0, "setrlimit RLIMIT_NOFILE");
  const rlimit none = {.rlim_cur = 0, .rlim_max = 0};
  Require(setrlimit(RLIMIT_CORE, &none) == 0, "setrlimit RLIMIT_CORE");
}

// After the last change of credentials, which undoes both.
void BindToParent() {
  Require(prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) == 0, "PR_SET_DUMPABLE");
  Require(prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) == 0, "PR_SET_PDEATHSIG");
  // A parent that died before that has hung up.
  pollfd parent = {.fd = kJailReportFd, .events = 0};
  if (poll(&parent, 1, 0) > 0 && (parent.revents & POLLHUP) != 0) _exit(1);
}

}  // namespace

void ConfineOrDie(const Filter& filter, int max_fds) {
  EnterRoot();
  DropCapabilities();
  LimitResources(max_fds);
  BindToParent();
  Require(HandleViolations(kJailReportFd), "sigaction SIGSYS");
  Require(InstallFilter(filter, FilterScope::kProcess), "seccomp");
  if (!SendJailReport(kJailReportFd, JailReport::Kind::kConfined, 0, "")) _exit(1);
}

}  // namespace touchstone
