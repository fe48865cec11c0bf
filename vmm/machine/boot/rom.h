// The firmware of --bios: a ROM that ends at 4 GiB, and the state in which the first vCPU enters
// it.
//
//   ASSIGN_OR_RETURN(const GuestMemory rom, LoadRom({fd.get(), "/usr/share/seabios/bios.bin"}));
//   RETURN_IF_ERROR(ShadowRom(rom, memory));
//   const EntryState entry = EnterResetVector();
//
//   1 MiB - shadow   +--------------------------------+
//                    | RAM: copy of the ROM's end     |  at most 128 KiB
//   1 MiB            +--------------------------------+
//   4 GiB - size     +--------------------------------+
//                    | the ROM, read-only             |  at most 16 MiB
//   0xFFFF_FFF0      |   the first instruction        |
//   4 GiB            +--------------------------------+
//
// Functions of their arguments: thread-safe.

#ifndef TOUCHSTONE_VMM_MACHINE_BOOT_ROM_H_
#define TOUCHSTONE_VMM_MACHINE_BOOT_ROM_H_

#include <cstdint>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/memory/guest_memory.h"
#include "vmm/machine/boot/kernel_loader.h"
#include "vmm/machine/boot/long_mode.h"
#include "vmm/machine/boot/memory_layout.h"

namespace touchstone {

// What lies below 4 GiB and above KVM's own pages (crosvm.md 7.1).
inline constexpr uint64_t kLargestRom = 16 * kMiB;
// What a PC's chipset shows of the ROM below 1 MiB too.
inline constexpr uint64_t kLargestRomShadow = 128 << 10;

// Reads the file into memory of its own, which has one region. An error is one line that names
// --bios, the file and the reason: what is no regular file, an empty one, one of more than
// kLargestRom, and one that is not made of whole pages, which is what a guest is shown memory by.
absl::StatusOr<GuestMemory> LoadRom(const KernelSource& file);

// Copies the ROM's end to where firmware in real mode expects itself, below 1 MiB. It may write
// there at once: this is RAM, as a chipset makes it when firmware says so.
// REQUIRES: `rom` is LoadRom's and `memory` has the first MiB.
absl::Status ShadowRom(const GuestMemory& rom, const GuestMemory& memory);

// The processor after a reset: real mode, at the reset vector 0xFFFF_FFF0 (Intel SDM volume
// 3, 9.1).
EntryState EnterResetVector();

}  // namespace touchstone

#endif  // TOUCHSTONE_VMM_MACHINE_BOOT_ROM_H_
