#include "fuzz/support/program_memory.h"

#include "base/log.h"

namespace touchstone {
namespace {

constexpr uint64_t kSecondRegion = 0x14000;
constexpr uint64_t kTables = 0x50000;

}  // namespace

void WipeTouched(const GuestMemory& memory) {
  for (const GuestMemory::Region& region : memory.regions()) {
    bool any = false;
    for (uint64_t at = 0; at < region.size;) {
      uint64_t end = at;
      while (end < region.size && region.dirty->IsDirty(end)) end += kGuestPageSize;
      if (end > at) {
        CHECK(memory.Fill(region.start + at, end - at, 0).ok());
        any = true;
      }
      at = end + kGuestPageSize;
    }
    if (any) region.dirty->Take();
  }
}

const GuestMemory& ProgramMemory::Shared() {
  static const GuestMemory& memory =
      *new GuestMemory(GuestMemory::Create({{GuestAddress{0}, kSecondRegion},
                                            {GuestAddress{kSecondRegion}, kSize - kSecondRegion},
                                            {GuestAddress{kTables}, kMaxTables * kMaxTable}},
                                           {.track_dirty = true})
                           .value());
  return memory;
}

ProgramMemory::~ProgramMemory() { WipeTouched(memory_); }

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
