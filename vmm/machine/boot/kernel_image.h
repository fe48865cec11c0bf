// What a loader of one file format found: a kernel that lies in guest memory, ready to be entered.

#ifndef TOUCHSTONE_VMM_MACHINE_BOOT_KERNEL_IMAGE_H_
#define TOUCHSTONE_VMM_MACHINE_BOOT_KERNEL_IMAGE_H_

#include <asm/bootparam.h>

#include <cstdint>

#include "absl/status/status.h"
#include "base/memory/guest_address.h"
#include "vmm/machine/boot/boot_file.h"
#include "vmm/machine/boot/memory_layout.h"

namespace touchstone {

// How the kernel is entered and told about the machine.
enum class BootProtocol {
  // "The Linux/x86 Boot Protocol", section "64-bit Boot Protocol": long mode, RSI is the zero page.
  kLinux64,
  // "x86/HVM direct boot ABI" (PVH): 32-bit protected mode, EBX is the start info.
  kPvh,
};

struct KernelImage {
  BootProtocol protocol = BootProtocol::kLinux64;
  GuestAddress entry{};
  // The first byte of the kernel and the first behind what it needs before it knows the memory map:
  // an initrd must not lie between.
  GuestAddress start{};
  GuestAddress end{};
  // The highest address that a byte of the initrd may have.
  uint32_t initrd_highest = 0;
  // Bytes that the kernel accepts as its command line, without the NUL.
  uint32_t command_line_limit = 0;
  // For kLinux64: the setup header from the file, or one made up for an ELF kernel.
  setup_header header = {};
};

// Whether a kernel that occupies [start, end) fits between 1 MiB and the end of low RAM. The error
// says what it needs.
absl::Status CheckKernelRoom(const BootFile& file, const MemoryLayout& layout, GuestAddress start,
                             GuestAddress end);

}  // namespace touchstone

#endif  // TOUCHSTONE_VMM_MACHINE_BOOT_KERNEL_IMAGE_H_
