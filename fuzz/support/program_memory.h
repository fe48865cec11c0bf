// The guest memory of fuzz programs: mapped once for all of them, and wiped where the last one
// touched it.
//
//   0x00000  rings, 4 KiB each        0x10000  buffers, one after the other, then from the start
//   0x14000  a second region, which adjoins the first
//   0x18000  nothing                  0x50000  a third region, 32 KiB: indirect tables
//
// Small, as a program that fills large buffers tells little for its time. More than there is in one
// piece is there in a chain, whose buffers may be on top of each other.
//
// What a system call stored is wiped when it was committed, as dirty tracking wants it too.
// Thread-compatible; one at a time.

#ifndef TOUCHSTONE_FUZZ_SUPPORT_PROGRAM_MEMORY_H_
#define TOUCHSTONE_FUZZ_SUPPORT_PROGRAM_MEMORY_H_

#include <cstdint>

#include "base/memory/guest_memory.h"

namespace touchstone {

// Makes every page 0 that was written to since the last time. REQUIRES: tracks what is dirty.
void WipeTouched(const GuestMemory& memory);

class ProgramMemory {
 public:
  ProgramMemory() : memory_(Shared()) {}
  ~ProgramMemory();
  ProgramMemory(const ProgramMemory&) = delete;
  ProgramMemory& operator=(const ProgramMemory&) = delete;

  [[nodiscard]] const GuestMemory& memory() const { return memory_; }
  // Room for a ring of 64 entries. REQUIRES: index < 16.
  [[nodiscard]] GuestAddress RingOf(uint16_t index) const {
    return GuestAddress{uint64_t{index} * 0x1000};
  }
  // Room for a buffer, perhaps that of one before; what is too large goes where it does not fit.
  GuestAddress Place(uint64_t size);
  // Room for an indirect table, which no other has. REQUIRES: called kMaxTables times at most, and
  // size <= kMaxTable.
  GuestAddress PlaceTable(uint64_t size);
  static constexpr uint64_t kSize = 0x18000;  // Below the tables.
  static constexpr uint64_t kMaxTable = 1024;
  static constexpr uint64_t kMaxTables = 32;

 private:
  static const GuestMemory& Shared();

  const GuestMemory& memory_;
  uint64_t next_ = kBuffers;
  uint64_t tables_ = 0;
  static constexpr uint64_t kBuffers = 0x10000;
  static constexpr uint64_t kBuffersEnd = kSize;
};

}  // namespace touchstone

#endif  // TOUCHSTONE_FUZZ_SUPPORT_PROGRAM_MEMORY_H_
