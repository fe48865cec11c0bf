// What every boot protocol tells the kernel about the machine.

#ifndef TOUCHSTONE_VMM_MACHINE_BOOT_BOOT_INFO_H_
#define TOUCHSTONE_VMM_MACHINE_BOOT_BOOT_INFO_H_

#include <cstdint>
#include <vector>

#include "base/memory/guest_address.h"
#include "vmm/machine/boot/memory_layout.h"

namespace touchstone {

// The most entries of an E820 map that the zero page holds (E820_MAX_ENTRIES_ZEROPAGE); the other
// protocol is held to it too.
inline constexpr size_t kMostE820Entries = 128;

struct BootInfo {
  // At most kMostE820Entries.
  std::vector<E820Entry> e820 = {};
  // Empty when there is none.
  MemoryRange initrd = {};
  // ACPI's root pointer; 0 when there are no tables.
  GuestAddress rsdp{};
  // Random bytes for the kernel's entropy pool; may be empty.
  std::vector<uint8_t> rng_seed = {};
};

}  // namespace touchstone

#endif  // TOUCHSTONE_VMM_MACHINE_BOOT_BOOT_INFO_H_
