// The caches of an AMD processor as its newer leaf tells them, from what the older ones say.

#ifndef TOUCHSTONE_VMM_MACHINE_CPU_AMD_CACHES_H_
#define TOUCHSTONE_VMM_MACHINE_CPU_AMD_CACHES_H_

#include <vector>

#include "hypervisor/x86_64/state.h"

namespace touchstone {

// The sub-leaves of 0x8000001D, their last included, for what the leaves 0x80000005 and 0x80000006
// have: data, instructions, level 2 and 3, as far as they are there. Each is said to be shared by
// nobody (AMD APM volume 3, appendix E.4.3, E.4.4 and E.4.15).
std::vector<CpuidEntry> AmdCacheLeaves(const CpuidEntry& level1, const CpuidEntry& level2);

}  // namespace touchstone

#endif  // TOUCHSTONE_VMM_MACHINE_CPU_AMD_CACHES_H_
