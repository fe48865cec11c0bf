// Starts a program, mostly this one again, in namespaces of its own: user, mount, network, process,
// IPC and host name. What is left of the jail the child closes behind itself (confine.h).
//
//   parent                                child
//   clone3 into new namespaces  ───────►  waits
//   writes its user and group map ─────►  makes its other namespaces
//                                         takes the mount that becomes its root
//                                         becomes user 0 of its namespace, "nobody" outside
//                                         applies the FdMap, executes the program
//   JailedProcess::AwaitConfined  ◄─────  Confine()
//
// The program starts with a fresh image, so nothing of the parent's memory is in it; without
// environment; with exactly the descriptors of the map.
//
// User namespaces: root maps the child to "nobody" of the host (65534), or to itself where it may
// not; an ordinary user maps it to himself. Where the host forbids user namespaces to root, the
// other namespaces do, and Confine() becomes "nobody". An ordinary user gets an error there.

#ifndef TOUCHSTONE_VMM_JAIL_SPAWN_H_
#define TOUCHSTONE_VMM_JAIL_SPAWN_H_

#include <sys/types.h>

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/scoped_fd.h"
#include "vmm/jail/fd_map.h"
#include "vmm/jail/jailed_process.h"

namespace touchstone {

struct SpawnRequest {
  std::string name;                           // For messages: "rng".
  std::string executable = "/proc/self/exe";  // In the parent's eyes.
  std::vector<std::string> arguments;         // The first is the program's name.
  // kJailFirstFd and above, and what standard input, output and error are; /dev/null, unless they
  // are set.
  FdMap fds;
  // --pivot-root: an absolute directory, read-only in the child. Empty, or where nothing is: an
  // empty file system.
  std::string pivot_root;
};

// A child process, and the descriptor that stands for it.
struct SpawnedChild {
  pid_t pid;
  ScopedFd pidfd;
};

// The child reports to `reports` (jail_report.h), and is this process's to wait for (child_end.h).
// Linux 5.12 or later. Errors name the call, and what to do about it. Thread-safe.
absl::StatusOr<SpawnedChild> SpawnChild(SpawnRequest request, int reports);

// The same with a report socket of its own.
absl::StatusOr<JailedProcess> Spawn(SpawnRequest request);

// InvalidArgument for what cannot be a root. Empties the path where nothing is: an empty file
// system is as good as an empty directory.
absl::Status CheckPivotRoot(std::string& path);

}  // namespace touchstone

#endif  // TOUCHSTONE_VMM_JAIL_SPAWN_H_
