// The guest-physical address map: where RAM is, what lies in the holes, and the E820 map that tells
// the guest.
//
//   ASSIGN_OR_RETURN(MemoryLayout layout, MemoryLayout::Plan({.ram_size = 512 << 20}));
//   ASSIGN_OR_RETURN(GuestMemory memory, GuestMemory::Create(layout.RamRegions(), {}));
//
//   0                +--------------------------------+
//                    | RAM: boot area, drawn below    |
//   0x9_FC00         +--------------------------------+
//                    | RAM behind it, reserved in the |  MP floating pointer, ACPI tables at
//                    | E820 map                       |  0xE_0000, SMBIOS at 0xF_0000
//   0x10_0000        +--------------------------------+
//                    | RAM: kernel, initrd            |
//   low_ram.end()    +--------------------------------+  at most hole_start
//                    | nothing                        |
//   low_mmio.start   +--------------------------------+  hole_start, 0xD000_0000 by default
//                    | PCI BARs below 4 GiB           |
//   ecam.start       +--------------------------------+  0xF400_0000 by default, 1 MiB a bus
//                    | PCI configuration space        |
//   ecam.end()       +--------------------------------+
//                    | IOAPIC 0xFEC0_0000, local APIC 0xFEE0_0000,
//                    | KVM's identity map 0xFEFF_C000 and TSS 0xFEFF_D000,
//                    | a BIOS image that ends at 4 GiB
//   4 GiB            +--------------------------------+
//                    | RAM that did not fit below     |
//   high_ram.end()   +--------------------------------+
//   pstore.start     +--------------------------------+  2 MiB aligned
//                    | the guest's log of its crashes |  when there is one
//   high_mmio.start  +--------------------------------+  2 MiB aligned
//                    | 64-bit PCI BARs, pmem          |
//   high_mmio.end()  +--------------------------------+  2^physical_bits, at most 2^46
//
// The boot area, as the loaders of this folder fill it:
//
//   0x1500   GDT
//   0x6000   PVH start info, module list and memory map
//   0x7000   zero page (boot_params)
//   0x8000   top of the first stack
//   0x9000   PML4, PDPT at 0xA000, four page directories from 0xB000 to 0xEFFF
//   0x2_0000 command line, 2 KiB
//   0x2_0800 setup_data list, up to 0x9_E800
//   0x9_E800 MP table, floating pointer at 0x9_FC00
//
// Values: thread-compatible.

#ifndef TOUCHSTONE_VMM_MACHINE_BOOT_MEMORY_LAYOUT_H_
#define TOUCHSTONE_VMM_MACHINE_BOOT_MEMORY_LAYOUT_H_

#include <cstdint>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "base/memory/guest_address.h"
#include "base/memory/guest_memory.h"

namespace touchstone {

inline constexpr uint64_t kMiB = uint64_t{1} << 20;
inline constexpr uint64_t kGiB = uint64_t{1} << 30;

// The boot area.
inline constexpr GuestAddress kGdtAddress{0x1500};
inline constexpr GuestAddress kPvhStartInfoAddress{0x6000};
inline constexpr GuestAddress kPvhInfoEnd{0x7000};
inline constexpr GuestAddress kZeroPageAddress{0x7000};
inline constexpr GuestAddress kBootStackTop{0x8000};
inline constexpr GuestAddress kPageTablesAddress{0x9000};
inline constexpr GuestAddress kCommandLineAddress{0x20000};
inline constexpr uint64_t kCommandLineArea = 2048;  // bytes, the terminating NUL included
inline constexpr GuestAddress kSetupDataAddress{0x20800};
inline constexpr GuestAddress kSetupDataEnd{0x9E800};

// What the guest finds by looking.
inline constexpr GuestAddress kMpTableAddress{0x9E800};
inline constexpr GuestAddress kMpFloatingPointerAddress{0x9FC00};
inline constexpr GuestAddress kReservedLowStart{0x9FC00};
inline constexpr GuestAddress kAcpiTablesAddress{0xE0000};
inline constexpr GuestAddress kSmbiosAddress{0xF0000};

// Kernels and initrds live from here on.
inline constexpr GuestAddress kHighMemoryStart{0x100000};

inline constexpr GuestAddress kDefaultHoleStart{0xD0000000};
inline constexpr GuestAddress kIoapicAddress{0xFEC00000};
inline constexpr GuestAddress kLocalApicAddress{0xFEE00000};
// One page that KVM uses for real mode on old Intel processors, then three for its TSS.
inline constexpr GuestAddress kKvmIdentityMapAddress{0xFEFFC000};
inline constexpr GuestAddress kKvmTssAddress{0xFEFFD000};
inline constexpr GuestAddress kFourGiB{4 * kGiB};

struct MemoryRange {
  GuestAddress start{};
  uint64_t size = 0;

  [[nodiscard]] constexpr GuestAddress end() const { return start + size; }
  bool operator==(const MemoryRange&) const = default;
};

// One entry of the E820 map (ACPI 6.3, 15.1: address range types).
struct E820Entry {
  enum class Type : uint32_t { kRam = 1, kReserved = 2 };

  MemoryRange range;
  Type type = Type::kRam;

  bool operator==(const E820Entry&) const = default;
};

struct MemoryLayoutOptions {
  // Bytes of RAM, in whole pages. At least kMinimumRam.
  uint64_t ram_size = 0;
  // Where RAM below 4 GiB ends at the latest and PCI BARs begin. Lowered to the start of the ECAM
  // when that is lower.
  GuestAddress hole_start = kDefaultHoleStart;
  // PCI configuration space: whole buses of 1 MiB, below the IOAPIC.
  MemoryRange ecam = {GuestAddress{0xF4000000}, 64 * kMiB};
  // Bytes of persistent store (ramoops), in whole pages.
  uint64_t pstore_size = 0;
  // Where the guest sees something else than RAM or a device: cut out of both. Whole pages from
  // 1 MiB on, outside the ECAM and of what is fixed below 4 GiB, without overlaps.
  std::vector<MemoryRange> holes = {};
  // Those of the holes that the E820 map calls RAM.
  std::vector<MemoryRange> ram_in_holes = {};
  // Where no BAR is placed.
  std::vector<MemoryRange> without_bars = {};
  // A firmware gives BARs their addresses (--bios): it takes any between RAM, or 2 GiB, and the
  // IOAPIC.
  bool firmware_places_bars = false;
  // Width of a guest-physical address (CPUID 0x80000008, EAX bits 7 to 0). The default suits every
  // processor.
  int physical_bits = 39;
};

inline constexpr uint64_t kMinimumRam = 2 * kMiB;

struct MemoryLayout {
  // From 0. Holes are still in it.
  MemoryRange low_ram;
  // From 4 GiB; empty when all RAM fits below the hole. Holes are still in it.
  MemoryRange high_ram;
  // Address space for 32-bit BARs: the larger part of the hole that the ECAM leaves free.
  MemoryRange low_mmio;
  MemoryRange ecam;
  // Empty when there is none. No RAM: the E820 map does not have it.
  MemoryRange pstore;
  // Address space for 64-bit BARs.
  MemoryRange high_mmio;
  int physical_bits = 39;
  // As in the options; sorted.
  std::vector<MemoryRange> holes;
  std::vector<MemoryRange> ram_in_holes;
  std::vector<MemoryRange> without_bars;
  bool firmware_places_bars = false;

  // InvalidArgument when the amount of RAM, the store or the windows cannot be; the message names
  // --mem, --pstore, --file-backed-mapping, --pci-start or --pcie-ecam and says why.
  static absl::StatusOr<MemoryLayout> Plan(const MemoryLayoutOptions& options);

  // Where the RAM from 0 on first ends: kernel and initrd lie below.
  [[nodiscard]] GuestAddress BootRamEnd() const;

  // Address space for BARs below 4 GiB and above: low_mmio (or all that a firmware may take, but
  // for the ECAM) and high_mmio without what must be free.
  [[nodiscard]] std::vector<MemoryRange> LowBarWindows() const;
  [[nodiscard]] std::vector<MemoryRange> HighBarWindows() const;

  // What GuestMemory::Create takes.
  [[nodiscard]] std::vector<GuestMemory::RegionSpec> RamRegions() const;

  // The E820 map, sorted, without overlaps: RAM, and as reserved the legacy area from 0x9_FC00 to
  // 1 MiB, the ECAM, KVM's pages, the other holes and `more_reserved` (outside RAM, at most 100
  // ranges).
  [[nodiscard]] std::vector<E820Entry> E820(absl::Span<const MemoryRange> more_reserved = {}) const;

  // The same for a firmware, which itself says what is reserved below 1 MiB.
  [[nodiscard]] std::vector<E820Entry> FirmwareE820() const;
};

}  // namespace touchstone

#endif  // TOUCHSTONE_VMM_MACHINE_BOOT_MEMORY_LAYOUT_H_
