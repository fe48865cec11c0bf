// How the host schedules the thread of a vCPU: on which processors, with which priority, beside
// whom, in which cgroup (crosvm.md 9.5).
//
// Functions of their arguments and of the thread that calls them: thread-safe.

#ifndef TOUCHSTONE_VMM_MACHINE_VCPU_PLACEMENT_H_
#define TOUCHSTONE_VMM_MACHINE_VCPU_PLACEMENT_H_

#include <pthread.h>
#include <sys/types.h>

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "vmm/config/config.pb.h"

namespace touchstone {

struct VcpuPlacement {
  // Empty for any.
  std::vector<uint32_t> host_cpus;
  // SCHED_RR, priority 6: from the start, or once TakeRealtimePriority is called.
  bool realtime = false;
  bool delay_realtime = false;
  // Threads with another cookie, or without one, do not run beside it on the same core.
  bool own_core_cookie = false;
  // A directory of cgroup v1; empty for none.
  std::string cgroup;

  bool operator==(const VcpuPlacement&) const = default;
};

// What the options say of a vCPU. Core scheduling is for hosts whose threads leak to each other:
// `leaky` is HostThreadsLeak(). REQUIRES: `config` is validated.
VcpuPlacement PlanPlacement(const RunConfig& config, uint32_t vcpu, bool leaky);

// Whether the host has a processor that shares what it should not between the threads of a core
// (MDS, L1TF).
bool HostThreadsLeak();

// Gives the calling thread, and those that it starts from now on, a core scheduling cookie. A
// failure is logged.
void TakeCoreCookie();

// Places the calling thread. As crosvm's, failures are logged, and that to enter the cgroup alone
// is an error: the limits that the user relies on would not hold.
absl::Status ApplyPlacement(const VcpuPlacement& placement);

// Gives a thread SCHED_RR, priority 6. PermissionDenied for those who may not (RLIMIT_RTPRIO).
absl::Status TakeRealtimePriority(pthread_t thread);

// Writes a thread's or process's id to PATH/tasks. Errors name --vcpu-cgroup-path.
absl::Status JoinCgroup(const std::string& path, pid_t id);

}  // namespace touchstone

#endif  // TOUCHSTONE_VMM_MACHINE_VCPU_PLACEMENT_H_
