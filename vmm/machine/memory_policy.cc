#include "vmm/machine/memory_policy.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>

#include "base/log.h"
#include "base/status.h"

namespace touchstone {

absl::Status ApplyMemoryPolicy(const RunConfig& config, const GuestMemory& memory) {
  for (const GuestMemory::Region& region : memory.regions()) {
    if (config.lock_guest_memory() && mlock2(region.host, region.size, MLOCK_ONFAULT) != 0) {
      LOG(kWarning, "memory", "--lock-guest-memory: mlock2 of %d bytes: %s", region.size,
          strerror(errno));
    }
    if (config.unmap_guest_memory_on_fork() &&
        madvise(region.host, region.size, MADV_DONTFORK) != 0) {
      return ErrnoStatus(errno, "--unmap-guest-memory-on-fork: madvise(MADV_DONTFORK)");
    }
  }
  return absl::OkStatus();
}

}  // namespace touchstone
