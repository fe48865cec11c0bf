// The threads of the machine's own process confine themselves, each for itself, when it has nothing
// more to set up and before it looks at anything of the guest's: no capabilities, no way to new
// privileges, and the system calls of its policy (builtin_policies.h). The process keeps its user,
// its namespaces and its root, where nothing can be opened any more.
//
// A forbidden system call is named on standard error, and the process dies of SIGSYS.
//
// Thread-safe.

#ifndef TOUCHSTONE_VMM_JAIL_OWN_THREADS_H_
#define TOUCHSTONE_VMM_JAIL_OWN_THREADS_H_

#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "vmm/jail/filter.h"

namespace touchstone {

class OwnThreads {
 public:
  struct Options {
    bool log_failures = false;  // --seccomp-log-failures, as in FilterSource.
    // What gives threads real-time priority later stays with the main thread.
    bool keep_scheduling = false;
    // The main thread may connect to unix sockets.
    bool connects = false;
  };

  // Compiles the policies, and takes SIGSYS.
  static absl::StatusOr<OwnThreads> Prepare(Options options);

  // Confines the calling thread, and those that it starts from now on. Errors name the call.
  [[nodiscard]] absl::Status ConfineMain() const;
  [[nodiscard]] absl::Status ConfineVcpu() const;
  // One that connects to unix sockets for jailed devices. Compiles its policy then.
  [[nodiscard]] absl::Status ConfineBroker() const;

 private:
  OwnThreads(Options options, Filter main, Filter vcpu)
      : options_(options), main_(std::move(main)), vcpu_(std::move(vcpu)) {}

  Options options_;
  Filter main_;
  Filter vcpu_;
};

}  // namespace touchstone

#endif  // TOUCHSTONE_VMM_JAIL_OWN_THREADS_H_
