#include "vmm/gdb/virtual_memory.h"

#include <algorithm>

#include "absl/status/statusor.h"
#include "base/endian.h"

namespace touchstone {
namespace {

// SDM vol. 3, 2.5 and 2.2.1.
constexpr uint64_t kCr0Paging = uint64_t{1} << 31;
constexpr uint64_t kCr4LargePages = 1 << 4;
constexpr uint64_t kCr4Pae = 1 << 5;
constexpr uint64_t kCr4FiveLevels = 1 << 12;
constexpr uint64_t kEferLongMode = 1 << 10;

// SDM vol. 3, tables 4-5 and 4-15 onwards.
constexpr uint64_t kPresent = 1 << 0;
constexpr uint64_t kLargePage = 1 << 7;
constexpr uint64_t kAddressBits = 0x000F'FFFF'FFFF'F000;

constexpr int kPageShift = 12;

// Entries of 8 bytes, 512 a table: all formats but the oldest. `root` is where the table of level
// `levels` is.
std::optional<GuestPhysical> WalkWide(const GuestMemory& memory, uint64_t root, int levels,
                                      int largest_page_level, uint64_t address) {
  uint64_t table = root;
  for (int level = levels; level >= 1; --level) {
    const int shift = kPageShift + 9 * (level - 1);
    const uint64_t index = address >> shift & 511;
    const absl::StatusOr<Le64> entry =
        memory.ReadObject<Le64>(GuestAddress{table + index * sizeof(Le64)});
    if (!entry.ok() || (*entry & kPresent) == 0) return std::nullopt;
    const bool page = level == 1 || (level <= largest_page_level && (*entry & kLargePage) != 0);
    if (page) {
      const uint64_t size = uint64_t{1} << shift;
      const uint64_t offset = address & (size - 1);
      return GuestPhysical{GuestAddress{(*entry & kAddressBits & ~(size - 1)) + offset},
                           size - offset};
    }
    table = *entry & kAddressBits;
  }
  return std::nullopt;
}

// SDM vol. 3, 4.3: entries of 4 bytes, 1024 a table.
std::optional<GuestPhysical> Walk32(const GuestMemory& memory, const SpecialRegisters& registers,
                                    uint64_t address) {
  const auto entry = [&memory](uint64_t table, uint64_t index) -> uint64_t {
    const absl::StatusOr<Le32> read =
        memory.ReadObject<Le32>(GuestAddress{(table & 0xFFFF'F000) + index * sizeof(Le32)});
    return read.ok() ? uint32_t{*read} : 0;
  };
  const uint64_t directory = entry(registers.cr3, address >> 22 & 1023);
  if ((directory & kPresent) == 0) return std::nullopt;
  if ((directory & kLargePage) != 0 && (registers.cr4 & kCr4LargePages) != 0) {
    // Table 4-4: bits 20 to 13 are bits 39 to 32 of the address.
    const uint64_t page = (directory & 0xFFC0'0000) | (directory >> 13 & 0xFF) << 32;
    const uint64_t offset = address & 0x3F'FFFF;
    return GuestPhysical{GuestAddress{page + offset}, 0x40'0000 - offset};
  }
  const uint64_t page = entry(directory, address >> kPageShift & 1023);
  if ((page & kPresent) == 0) return std::nullopt;
  const uint64_t offset = address & 0xFFF;
  return GuestPhysical{GuestAddress{(page & 0xFFFF'F000) + offset}, 0x1000 - offset};
}

// SDM vol. 1, 3.3.7.1.
bool IsCanonical(uint64_t address, int levels) {
  const int unused = 64 - (kPageShift + 9 * levels);
  return static_cast<uint64_t>(static_cast<int64_t>(address << unused) >> unused) == address;
}

// Calls access(physical, offset, size) for page after page; returns how many bytes that worked for.
template <typename Access>
size_t ByPages(const GuestMemory& memory, const SpecialRegisters& registers, uint64_t address,
               size_t size, Access access) {
  size_t done = 0;
  while (done < size) {
    const std::optional<GuestPhysical> place = TranslateVirtual(memory, registers, address + done);
    if (!place.has_value()) break;
    const size_t part = static_cast<size_t>(std::min<uint64_t>(size - done, place->contiguous));
    if (!access(place->address, done, part).ok()) break;
    done += part;
  }
  return done;
}

}  // namespace

std::optional<GuestPhysical> TranslateVirtual(const GuestMemory& memory,
                                              const SpecialRegisters& registers, uint64_t address) {
  if ((registers.cr0 & kCr0Paging) == 0) {
    const uint64_t physical = address & 0xFFFF'FFFF;
    return GuestPhysical{GuestAddress{physical}, 0x1000 - (physical & 0xFFF)};
  }
  if ((registers.efer & kEferLongMode) != 0) {
    const int levels = (registers.cr4 & kCr4FiveLevels) != 0 ? 5 : 4;
    if (!IsCanonical(address, levels)) return std::nullopt;
    return WalkWide(memory, registers.cr3 & kAddressBits, levels, 3, address);
  }
  address &= 0xFFFF'FFFF;
  if ((registers.cr4 & kCr4Pae) == 0) return Walk32(memory, registers, address);
  // SDM vol. 3, 4.4.1: a table of four entries, aligned to 32 bytes.
  return WalkWide(memory, registers.cr3 & 0xFFFF'FFE0, 3, 2, address);
}

size_t ReadVirtual(const GuestMemory& memory, const SpecialRegisters& registers, uint64_t address,
                   absl::Span<uint8_t> data) {
  return ByPages(memory, registers, address, data.size(),
                 [&](GuestAddress from, size_t offset, size_t size) {
                   return memory.Read(from, data.subspan(offset, size));
                 });
}

size_t WriteVirtual(const GuestMemory& memory, const SpecialRegisters& registers, uint64_t address,
                    absl::Span<const uint8_t> data) {
  return ByPages(memory, registers, address, data.size(),
                 [&](GuestAddress to, size_t offset, size_t size) {
                   return memory.Write(to, data.subspan(offset, size));
                 });
}

}  // namespace touchstone
