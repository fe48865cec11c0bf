// Guest memory by virtual address, as a processor in the given state would reach it (SDM vol. 3,
// chapter 4): 32-bit, PAE, four- and five-level paging with pages of all sizes, or none.
//
// A debugger looks, so permissions do not count and nothing is marked as accessed or dirty.
//
// Pure functions but for the memory: thread-safe.

#ifndef TOUCHSTONE_VMM_GDB_VIRTUAL_MEMORY_H_
#define TOUCHSTONE_VMM_GDB_VIRTUAL_MEMORY_H_

#include <cstddef>
#include <cstdint>
#include <optional>

#include "absl/types/span.h"
#include "base/memory/guest_memory.h"
#include "hypervisor/x86_64/state.h"

namespace touchstone {

// Where `address` is, and how many bytes from there on are on the same page.
struct GuestPhysical {
  GuestAddress address{};
  uint64_t contiguous = 0;
};

// Nullopt when it is not mapped, or its tables are not in memory.
std::optional<GuestPhysical> TranslateVirtual(const GuestMemory& memory,
                                              const SpecialRegisters& registers, uint64_t address);

// Copy as many bytes as are mapped from `address` on without a gap; return how many.
size_t ReadVirtual(const GuestMemory& memory, const SpecialRegisters& registers, uint64_t address,
                   absl::Span<uint8_t> data);
size_t WriteVirtual(const GuestMemory& memory, const SpecialRegisters& registers, uint64_t address,
                    absl::Span<const uint8_t> data);

}  // namespace touchstone

#endif  // TOUCHSTONE_VMM_GDB_VIRTUAL_MEMORY_H_
