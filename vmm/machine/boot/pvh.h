// The start info of the "x86/HVM direct boot ABI" (PVH; Xen's public/arch-x86/hvm/start_info.h).
//
//   kPvhStartInfoAddress  start info (version 1)
//                         one module: the initrd, when there is one
//                         memory map, an entry for each of the E820 map

#ifndef TOUCHSTONE_VMM_MACHINE_BOOT_PVH_H_
#define TOUCHSTONE_VMM_MACHINE_BOOT_PVH_H_

#include "absl/status/status.h"
#include "base/endian.h"
#include "base/memory/guest_memory.h"
#include "vmm/machine/boot/boot_info.h"

namespace touchstone {

inline constexpr uint32_t kPvhMagic = 0x336EC578;

struct PvhStartInfo {
  Le32 magic;
  Le32 version;
  Le32 flags;
  Le32 module_count;
  Le64 module_list;
  Le64 command_line;
  Le64 rsdp;
  Le64 memory_map;  // from version 1 on
  Le32 memory_map_entries;
  Le32 reserved;
};
static_assert(sizeof(PvhStartInfo) == 56);

struct PvhModule {
  Le64 address;
  Le64 size;
  Le64 command_line;
  Le64 reserved;
};
static_assert(sizeof(PvhModule) == 32);

struct PvhMemoryMapEntry {
  Le64 address;
  Le64 size;
  Le32 type;  // as in E820
  Le32 reserved;
};
static_assert(sizeof(PvhMemoryMapEntry) == 24);

// Writes all of it; the command line is at kCommandLineAddress. The ABI has no place for a random
// seed. InvalidArgument when the E820 map is too long; nothing is written then.
absl::Status WritePvhStartInfo(const GuestMemory& memory, const BootInfo& info);

}  // namespace touchstone

#endif  // TOUCHSTONE_VMM_MACHINE_BOOT_PVH_H_
