// The processors of the host as each describes itself: what a guest gets that is to have the host's
// topology.

#ifndef TOUCHSTONE_VMM_MACHINE_CPU_HOST_CPU_H_
#define TOUCHSTONE_VMM_MACHINE_CPU_HOST_CPU_H_

#include <cstdint>
#include <vector>

#include "absl/status/statusor.h"
#include "hypervisor/x86_64/state.h"

namespace touchstone {

struct HostCpu {
  uint32_t apic_id = 0;
  // Leaf 6: power management. All 0 when it has no such leaf.
  CpuidEntry power = {.function = 6};
  // The leaves that tell of threads, cores and caches, as far as the processor has them: 1, 4, 0xB,
  // 0x1F, 0x80000001, 0x80000008, 0x8000001D, 0x8000001E.
  std::vector<CpuidEntry> leaves;
};

// Of the host CPUs 0 to count - 1. An error when one of them is not there or not for this process.
absl::StatusOr<std::vector<HostCpu>> ReadHostCpus(uint32_t count);

}  // namespace touchstone

#endif  // TOUCHSTONE_VMM_MACHINE_CPU_HOST_CPU_H_
