#include "vmm/machine/boot/rom.h"

#include <algorithm>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/types/span.h"
#include "base/bits.h"
#include "base/checked_math.h"
#include "base/status.h"
#include "vmm/machine/boot/boot_file.h"

namespace touchstone {
namespace {

// Intel SDM volume 3, table 9-1 and 11.4.4.
constexpr uint64_t kCr0AtReset = 0x60000010;  // caches off
constexpr uint64_t kResetIp = 0xFFF0;
constexpr uint16_t kResetCodeSelector = 0xF000;
constexpr uint64_t kResetCodeBase = 0xFFFF0000;
constexpr uint64_t kSignatureAtReset = 0x600;  // EDX: family 6
constexpr uint64_t kApicBaseAtReset = Raw(kLocalApicAddress) | Bit<uint64_t>(11) | Bit<uint64_t>(8);

// Segment types, accessed or busy.
constexpr uint8_t kTypeData = 0x3;
constexpr uint8_t kTypeCode = 0xB;
constexpr uint8_t kTypeLdt = 0x2;
constexpr uint8_t kTypeBusyTss = 0xB;

Segment RealModeSegment(uint8_t type, uint16_t selector = 0, uint64_t base = 0) {
  return {.base = base,
          .limit = 0xFFFF,
          .selector = selector,
          .type = type,
          .present = true,
          .s = true};
}

Segment SystemSegment(uint8_t type) { return {.limit = 0xFFFF, .type = type, .present = true}; }

}  // namespace

absl::StatusOr<GuestMemory> LoadRom(const KernelSource& file) {
  ASSIGN_OR_RETURN(const BootFile rom, BootFile::Create(file.fd, "--bios:", file.path));
  if (rom.size() > kLargestRom) {
    return rom.Error(absl::StrCat("has ", rom.size(), " bytes: there is room for ", kLargestRom,
                                  " below 4 GiB"));
  }
  if (!IsAligned(rom.size(), kGuestPageSize)) {
    return rom.Error(
        absl::StrCat("has ", rom.size(), " bytes: a ROM is a multiple of ", kGuestPageSize));
  }
  const GuestAddress start{Raw(kFourGiB) - rom.size()};
  ASSIGN_OR_RETURN(GuestMemory memory,
                   GuestMemory::Create({{start, rom.size()}}, {.huge_pages = false}));
  RETURN_IF_ERROR(rom.Load(0, memory, start, rom.size()));
  return memory;
}

absl::Status ShadowRom(const GuestMemory& rom, const GuestMemory& memory) {
  std::vector<uint8_t> shadow(std::min(rom.total_size(), kLargestRomShadow));
  RETURN_IF_ERROR(rom.Read(GuestAddress{Raw(kFourGiB) - shadow.size()}, absl::MakeSpan(shadow)));
  return memory.Write(GuestAddress{Raw(kHighMemoryStart) - shadow.size()}, shadow);
}

EntryState EnterResetVector() {
  EntryState state;
  SpecialRegisters& special = state.special;
  special.cs = RealModeSegment(kTypeCode, kResetCodeSelector, kResetCodeBase);
  special.ds = special.es = special.fs = special.gs = special.ss = RealModeSegment(kTypeData);
  special.tr = SystemSegment(kTypeBusyTss);
  special.ldt = SystemSegment(kTypeLdt);
  special.gdt.limit = 0xFFFF;
  special.idt.limit = 0xFFFF;
  special.cr0 = kCr0AtReset;
  special.apic_base = kApicBaseAtReset;
  state.general.rip = kResetIp;
  state.general.rdx = kSignatureAtReset;
  return state;
}

}  // namespace touchstone
