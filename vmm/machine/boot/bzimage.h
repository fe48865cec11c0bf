// Loads a bzImage: Linux as distributions ship it, compressed behind a setup header ("The Linux/x86
// Boot Protocol", sections "The Real-Mode Kernel Header" and "64-bit Boot Protocol").
//
//   file                                   guest memory
//   0x000  boot sector
//   0x1F1  setup header  ---------------►  boot_params.hdr of the zero page
//   (setup_sects + 1) * 512
//          protected-mode code  --------►  pref_address ... + init_size
//                                          entry: + 0x200
//
// The code goes to pref_address, 16 MiB for Debian's kernels. Anywhere lower works too, but the
// decompressor moves itself to the end of [pref_address, pref_address + init_size) whatever the
// load address, so that loading it lower only makes the guest touch more memory.

#ifndef TOUCHSTONE_VMM_MACHINE_BOOT_BZIMAGE_H_
#define TOUCHSTONE_VMM_MACHINE_BOOT_BZIMAGE_H_

#include <cstdint>

#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "base/memory/guest_memory.h"
#include "vmm/machine/boot/boot_file.h"
#include "vmm/machine/boot/kernel_image.h"
#include "vmm/machine/boot/memory_layout.h"

namespace touchstone {

// Whether a file that begins with these bytes (at least 0x206, or the whole file) is a bzImage.
bool IsBzImage(absl::Span<const uint8_t> beginning);

// Checks the header and reads the code into guest memory without a copy on the way. Errors are of
// the file: InvalidArgument or DataLoss, one line, and nothing is written before the header is
// found to be good.
absl::StatusOr<KernelImage> LoadBzImage(const GuestMemory& memory, const MemoryLayout& layout,
                                        const BootFile& file);

}  // namespace touchstone

#endif  // TOUCHSTONE_VMM_MACHINE_BOOT_BZIMAGE_H_
