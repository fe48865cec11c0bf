// Loads the initial RAM disk.

#ifndef TOUCHSTONE_VMM_MACHINE_BOOT_INITRD_H_
#define TOUCHSTONE_VMM_MACHINE_BOOT_INITRD_H_

#include "absl/status/statusor.h"
#include "base/memory/guest_memory.h"
#include "vmm/machine/boot/boot_file.h"
#include "vmm/machine/boot/kernel_image.h"
#include "vmm/machine/boot/memory_layout.h"

namespace touchstone {

// Reads the file to the highest page boundary such that it ends below 4 GiB, in RAM and not above
// what the kernel allows (initrd_addr_max), and begins behind the kernel. InvalidArgument naming
// the file and the sizes when there is no room.
absl::StatusOr<MemoryRange> LoadInitrd(const GuestMemory& memory, const MemoryLayout& layout,
                                       const KernelImage& kernel, const BootFile& file);

}  // namespace touchstone

#endif  // TOUCHSTONE_VMM_MACHINE_BOOT_INITRD_H_
