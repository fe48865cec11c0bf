// What the host's kernel is told about guest memory: whether it may be swapped out, and whether
// children of this process get it (crosvm.md 9.5).

#ifndef TOUCHSTONE_VMM_MACHINE_MEMORY_POLICY_H_
#define TOUCHSTONE_VMM_MACHINE_MEMORY_POLICY_H_

#include "absl/status/status.h"
#include "base/memory/guest_memory.h"
#include "vmm/config/config.pb.h"

namespace touchstone {

// --lock-guest-memory: pages stay in memory once they are touched; as crosvm's, a failure is only
// logged. --unmap-guest-memory-on-fork: a failure is an error that names the option.
absl::Status ApplyMemoryPolicy(const RunConfig& config, const GuestMemory& memory);

}  // namespace touchstone

#endif  // TOUCHSTONE_VMM_MACHINE_MEMORY_POLICY_H_
