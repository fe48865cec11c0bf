#include "vmm/machine/boot/long_mode.h"

#include <array>
#include <vector>

#include "base/bits.h"
#include "base/endian.h"
#include "base/status.h"
#include "vmm/machine/boot/memory_layout.h"

namespace touchstone {
namespace {

// Intel SDM volume 3, 2.5: control registers.
constexpr uint64_t kCr0ProtectionEnable = Bit<uint64_t>(0);
constexpr uint64_t kCr0ExtensionType = Bit<uint64_t>(4);  // always 1
constexpr uint64_t kCr0Paging = Bit<uint64_t>(31);
constexpr uint64_t kCr4PhysicalAddressExtension = Bit<uint64_t>(5);
// SDM volume 3, 2.2.1: IA32_EFER.
constexpr uint64_t kEferLongModeEnable = Bit<uint64_t>(8);
constexpr uint64_t kEferLongModeActive = Bit<uint64_t>(10);
// SDM volume 3, 11.4.4: IA32_APIC_BASE.
constexpr uint64_t kApicBaseBootProcessor = Bit<uint64_t>(8);
constexpr uint64_t kApicBaseEnable = Bit<uint64_t>(11);

// SDM volume 3, table 4-19: paging-structure entries. Accessed and dirty from the start: nobody
// reads them, and the processor need not set them.
constexpr uint64_t kPagePresent = Bit<uint64_t>(0);
constexpr uint64_t kPageWritable = Bit<uint64_t>(1);
constexpr uint64_t kPageAccessed = Bit<uint64_t>(5);
constexpr uint64_t kPageDirty = Bit<uint64_t>(6);
constexpr uint64_t kPageLarge = Bit<uint64_t>(7);
constexpr uint64_t kTableFlags = kPagePresent | kPageWritable | kPageAccessed;
constexpr uint64_t kLargePageFlags = kTableFlags | kPageDirty | kPageLarge;

constexpr uint64_t kEntriesPerTable = 512;
constexpr uint64_t kTableSize = kEntriesPerTable * sizeof(Le64);
constexpr uint64_t kDirectories = 4;
constexpr uint64_t kLargePage = 2 * kMiB;

// Segment types (SDM volume 3, tables 3-1 and 3-2), accessed or busy as after loading.
constexpr uint8_t kTypeData = 0x3;
constexpr uint8_t kTypeCode = 0xB;
constexpr uint8_t kTypeBusyTss = 0xB;

// arch/x86/include/asm/segment.h: __BOOT_CS, __BOOT_DS, __BOOT_TSS.
constexpr uint16_t kCodeSelector = 0x10;
constexpr uint16_t kDataSelector = 0x18;
constexpr uint16_t kTssSelector = 0x20;

Segment FlatSegment(uint16_t selector, uint8_t type, bool long_mode_code) {
  return {.base = 0,
          .limit = 0xFFFFFFFF,
          .selector = selector,
          .type = type,
          .present = true,
          .db = !long_mode_code,
          .s = true,
          .l = long_mode_code,
          .g = true};
}

// SDM volume 3, 3.4.5, figure 3-8.
uint64_t Descriptor(const Segment& segment) {
  const uint64_t limit = segment.g ? segment.limit >> 12 : segment.limit;
  return Field<uint64_t>(limit, 15, 0) | Field<uint64_t>(segment.base, 23, 0) << 16 |
         uint64_t{segment.type} << 40 | uint64_t{segment.s} << 44 | uint64_t{segment.dpl} << 45 |
         uint64_t{segment.present} << 47 | Field<uint64_t>(limit, 19, 16) << 48 |
         uint64_t{segment.avl} << 52 | uint64_t{segment.l} << 53 | uint64_t{segment.db} << 54 |
         uint64_t{segment.g} << 55 | Field<uint64_t>(segment.base, 31, 24) << 56;
}

// Sets all segment registers and writes the GDT they are in.
absl::Status SetSegments(const GuestMemory& memory, bool long_mode, SpecialRegisters* special) {
  special->cs = FlatSegment(kCodeSelector, kTypeCode, long_mode);
  const Segment data = FlatSegment(kDataSelector, kTypeData, false);
  special->ds = special->es = special->fs = special->gs = special->ss = data;
  special->tr = {.limit = 0x67, .selector = kTssSelector, .type = kTypeBusyTss, .present = true};
  special->ldt.unusable = true;
  // A long-mode TSS descriptor takes two slots (SDM volume 3, 8.2.3).
  const std::array<Le64, 6> gdt = {
      0, 0, Descriptor(special->cs), Descriptor(data), Descriptor(special->tr), 0};
  special->gdt = {.base = Raw(kGdtAddress), .limit = sizeof(gdt) - 1};
  // No handler can run yet: an empty IDT turns any exception into a shutdown.
  special->idt = {};
  special->apic_base = Raw(kLocalApicAddress) | kApicBaseEnable | kApicBaseBootProcessor;
  return memory.WriteObject(kGdtAddress, gdt);
}

absl::Status WriteIdentityMap(const GuestMemory& memory) {
  const uint64_t base = Raw(kPageTablesAddress);
  std::vector<Le64> tables((2 + kDirectories) * kEntriesPerTable);
  Le64* const pml4 = tables.data();
  Le64* const pdpt = pml4 + kEntriesPerTable;
  Le64* const directories = pdpt + kEntriesPerTable;
  pml4[0] = (base + kTableSize) | kTableFlags;
  for (uint64_t i = 0; i < kDirectories; ++i) {
    pdpt[i] = (base + (2 + i) * kTableSize) | kTableFlags;
  }
  for (uint64_t i = 0; i < kDirectories * kEntriesPerTable; ++i) {
    directories[i] = (i * kLargePage) | kLargePageFlags;
  }
  return memory.Write(kPageTablesAddress,
                      absl::MakeConstSpan(reinterpret_cast<const uint8_t*>(tables.data()),
                                          tables.size() * sizeof(Le64)));
}

}  // namespace

absl::StatusOr<EntryState> EnterLinux64(const GuestMemory& memory, GuestAddress entry) {
  EntryState state;
  RETURN_IF_ERROR(SetSegments(memory, /*long_mode=*/true, &state.special));
  RETURN_IF_ERROR(WriteIdentityMap(memory));
  state.special.cr0 = kCr0ProtectionEnable | kCr0ExtensionType | kCr0Paging;
  state.special.cr3 = Raw(kPageTablesAddress);
  state.special.cr4 = kCr4PhysicalAddressExtension;
  state.special.efer = kEferLongModeEnable | kEferLongModeActive;
  state.general.rip = Raw(entry);
  state.general.rsp = Raw(kBootStackTop);
  state.general.rsi = Raw(kZeroPageAddress);
  return state;
}

absl::StatusOr<EntryState> EnterPvh(const GuestMemory& memory, GuestAddress entry) {
  EntryState state;
  RETURN_IF_ERROR(SetSegments(memory, /*long_mode=*/false, &state.special));
  state.special.cr0 = kCr0ProtectionEnable | kCr0ExtensionType;
  state.general.rip = Raw(entry);
  state.general.rbx = Raw(kPvhStartInfoAddress);
  return state;
}

}  // namespace touchstone
