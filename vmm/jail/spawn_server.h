// A process that makes this one's jailed children. It is forked from this one before that confines
// itself (own_threads.h): afterwards nothing here may start a process any more, but a device that
// died can still be replaced. All that it does for this one is to start the same program, with the
// same arguments and root, in a jail.
//
//   this process             the server                    the jailed child
//   Spawn ──descriptors────► clone3, maps, execveat ─────► ConfineOrDie
//   AwaitConfined ◄────────────────────────────reports──── │
//   AwaitEnd ◄─how it ended─ waitid ◄──────────────────────┘
//   Kill ──────────────────► SIGKILL
//
// The server ends, and with it the children, when this process does.
//
// Thread-safe.

#ifndef TOUCHSTONE_VMM_JAIL_SPAWN_SERVER_H_
#define TOUCHSTONE_VMM_JAIL_SPAWN_SERVER_H_

#include <sys/types.h>

#include <cstddef>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/statusor.h"
#include "base/fd_socket.h"
#include "base/mutex.h"
#include "vmm/jail/fd_map.h"
#include "vmm/jail/jailed_process.h"

namespace touchstone {

class SpawnServer {
 public:
  // As in SpawnRequest.
  struct Program {
    std::string executable = "/proc/self/exe";
    std::vector<std::string> arguments;
    bool name_is_argument = false;  // The child's name follows the arguments.
    std::string pivot_root;
  };

  // Descriptors of a child.
  static constexpr size_t kMaxFds = 512;

  // REQUIRES: this process has one thread. Errors name the call, or --pivot-root.
  static absl::StatusOr<std::unique_ptr<SpawnServer>> Start(Program program);

  // Kills the children that are left.
  ~SpawnServer();
  SpawnServer(const SpawnServer&) = delete;
  SpawnServer& operator=(const SpawnServer&) = delete;

  // Has a child started with these descriptors, and does not wait for it: what goes wrong, the
  // process says when it is waited for. `name` is for messages. ResourceExhausted for more than
  // kMaxFds; FailedPrecondition when the server is gone.
  absl::StatusOr<JailedProcess> Spawn(std::string name, const FdMap& fds) const;

 private:
  SpawnServer(FdSocket socket, pid_t pid) : socket_(std::move(socket)), pid_(pid) {}

  mutable Mutex mutex_;
  FdSocket socket_ ABSL_GUARDED_BY(mutex_);  // A request may be several messages.
  const pid_t pid_;
};

}  // namespace touchstone

#endif  // TOUCHSTONE_VMM_JAIL_SPAWN_SERVER_H_
