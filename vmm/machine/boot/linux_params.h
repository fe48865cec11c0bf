// The zero page (struct boot_params) and the setup_data list of "The Linux/x86 Boot Protocol".

#ifndef TOUCHSTONE_VMM_MACHINE_BOOT_LINUX_PARAMS_H_
#define TOUCHSTONE_VMM_MACHINE_BOOT_LINUX_PARAMS_H_

#include <asm/bootparam.h>

#include "absl/status/status.h"
#include "base/memory/guest_memory.h"
#include "vmm/machine/boot/boot_info.h"

namespace touchstone {

// Writes the zero page to kZeroPageAddress, with `header` as the kernel's file has it, and what it
// points to, except the command line, which is at kCommandLineAddress. InvalidArgument when the
// E820 map or the seed is too long; nothing is written then.
absl::Status WriteLinuxParams(const GuestMemory& memory, const setup_header& header,
                              const BootInfo& info);

}  // namespace touchstone

#endif  // TOUCHSTONE_VMM_MACHINE_BOOT_LINUX_PARAMS_H_
