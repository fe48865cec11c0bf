// The first vCPU's registers at the kernel's entry, and the tables in guest memory that they need.
//
// The other vCPUs start in real mode, where INIT and SIPI put them; that is the hypervisor's reset
// state and none of ours.

#ifndef TOUCHSTONE_VMM_MACHINE_BOOT_LONG_MODE_H_
#define TOUCHSTONE_VMM_MACHINE_BOOT_LONG_MODE_H_

#include "absl/status/statusor.h"
#include "base/memory/guest_address.h"
#include "base/memory/guest_memory.h"
#include "hypervisor/x86_64/state.h"

namespace touchstone {

struct EntryState {
  GeneralRegisters general;
  SpecialRegisters special;
};

// "64-bit Boot Protocol": long mode, flat segments with the selectors __BOOT_CS and __BOOT_DS,
// interrupts off, RSI is the zero page. Writes a GDT and page tables that map the first 4 GiB to
// themselves with 2 MiB pages.
absl::StatusOr<EntryState> EnterLinux64(const GuestMemory& memory, GuestAddress entry);

// "x86/HVM direct boot ABI": protected mode without paging, flat 32-bit segments, interrupts off,
// EBX is the start info. Writes a GDT, which the ABI does not ask for. REQUIRES: entry < 4 GiB.
absl::StatusOr<EntryState> EnterPvh(const GuestMemory& memory, GuestAddress entry);

}  // namespace touchstone

#endif  // TOUCHSTONE_VMM_MACHINE_BOOT_LONG_MODE_H_
