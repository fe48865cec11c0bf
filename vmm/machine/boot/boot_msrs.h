// The MSRs that a firmware would have set on every processor before it starts a kernel.

#ifndef TOUCHSTONE_VMM_MACHINE_BOOT_BOOT_MSRS_H_
#define TOUCHSTONE_VMM_MACHINE_BOOT_BOOT_MSRS_H_

#include <vector>

#include "hypervisor/x86_64/state.h"
#include "vmm/machine/boot/memory_layout.h"

namespace touchstone {

// For every vCPU, before it first runs: memory types (write-back, uncached from the end of the
// window for RAM to 4 GiB; without them Linux does without PAT) and fast strings. A hypervisor may
// refuse some; that is no error.
std::vector<Msr> BootMsrs(const MemoryLayout& layout);

}  // namespace touchstone

#endif  // TOUCHSTONE_VMM_MACHINE_BOOT_BOOT_MSRS_H_
