#include "fuzz/support/program_memory.h"

#include <bit>
#include <vector>

#include "base/log.h"

namespace touchstone {
namespace {

constexpr uint64_t kTables = 0x50000;

}  // namespace

const GuestMemory& ProgramMemory::Shared() {
  static const GuestMemory& memory =
      *new GuestMemory(GuestMemory::Create({{GuestAddress{0}, 0x20000},
                                            {GuestAddress{0x20000}, 0x20000},
                                            {GuestAddress{kTables}, kMaxTables * kMaxTable}},
                                           {.track_dirty = true})
                           .value());
  return memory;
}

ProgramMemory::~ProgramMemory() {
  for (const GuestMemory::Region& region : memory_.regions()) {
    const std::vector<uint64_t> dirty = region.dirty->Take();
    bool any = false;
    for (size_t word = 0; word < dirty.size(); ++word) {
      for (uint64_t bits = dirty[word]; bits != 0; bits &= bits - 1) {
        const uint64_t page = 64 * word + static_cast<uint64_t>(std::countr_zero(bits));
        CHECK(memory_.Fill(region.start + page * kGuestPageSize, kGuestPageSize, 0).ok());
        any = true;
      }
    }
    if (any) region.dirty->Take();
  }
}

GuestAddress ProgramMemory::Place(uint64_t size) {
  if (next_ + size > kBuffersEnd) next_ = kBuffers;
  const GuestAddress at{next_};
  next_ += (size + 16) & ~uint64_t{15};
  if (next_ >= kBuffersEnd) next_ = kBuffers;
  return at;
}

GuestAddress ProgramMemory::PlaceTable(uint64_t size) {
  CHECK(size <= kMaxTable && tables_ < kMaxTables);
  return GuestAddress{kTables} + tables_++ * kMaxTable;
}

}  // namespace touchstone
