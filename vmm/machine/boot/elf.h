// Loads an ELF kernel: an uncompressed vmlinux, or any kernel with a PVH entry.
//
// Each PT_LOAD segment goes to its physical address, between 1 MiB and the end of RAM below 4 GiB.
// Memory that the segments only reserve (p_memsz beyond p_filesz) is not written: it is zero
// because the guest memory is new.
//
// Entries. An x86-64 vmlinux has two: the ELF entry, which is the physical address of startup_64
// and expects the 64-bit boot protocol, and, when built for it, a 32-bit one in the note
// XEN_ELFNOTE_PHYS32_ENTRY ("x86/HVM direct boot ABI"). The former is taken, because it spares the
// guest the way from protected to long mode. The latter is taken for a 32-bit ELF and for a 64-bit
// one whose ELF entry is no physical address of a segment, as that of other kernels is.

#ifndef TOUCHSTONE_VMM_MACHINE_BOOT_ELF_H_
#define TOUCHSTONE_VMM_MACHINE_BOOT_ELF_H_

#include <cstdint>

#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "base/memory/guest_memory.h"
#include "vmm/machine/boot/boot_file.h"
#include "vmm/machine/boot/kernel_image.h"
#include "vmm/machine/boot/memory_layout.h"

namespace touchstone {

// Whether a file that begins with these bytes is an ELF of any kind.
bool IsElf(absl::Span<const uint8_t> beginning);

enum class ElfEntry {
  // As said above.
  kAutomatic,
  // The note's entry, or an error when there is none.
  kPvh,
};

// REQUIRES: `memory` is new: what nobody wrote is zero.
// Errors are of the file: InvalidArgument or DataLoss, one line.
absl::StatusOr<KernelImage> LoadElf(const GuestMemory& memory, const MemoryLayout& layout,
                                    const BootFile& file, ElfEntry choice = ElfEntry::kAutomatic);

}  // namespace touchstone

#endif  // TOUCHSTONE_VMM_MACHINE_BOOT_ELF_H_
