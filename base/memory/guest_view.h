// Guest memory for who accesses it again and again: remembers the region of the last access, which
// mostly has the next one too.
//
//   GuestView view(memory);
//   if (!view.Read(address, bytes)) return memory.Read(address, bytes);
//
// What it says no to, GuestMemory may do, or say what is wrong with: accesses that cross regions,
// or are outside of all. Those it does are checked and mark dirty pages as GuestMemory's are.
//
// Holds the memory alive. Thread-compatible; the guest may race with any access.

#ifndef TOUCHSTONE_BASE_MEMORY_GUEST_VIEW_H_
#define TOUCHSTONE_BASE_MEMORY_GUEST_VIEW_H_

#include <sys/uio.h>

#include <cstdint>
#include <utility>

#include "absl/base/attributes.h"
#include "absl/base/optimization.h"
#include "absl/types/span.h"
#include "base/checked_math.h"
#include "base/memory/guest_copy.h"
#include "base/memory/guest_memory.h"

namespace touchstone {

class GuestView {
 public:
  explicit GuestView(GuestMemory memory) : memory_(std::move(memory)) {}

  [[nodiscard]] const GuestMemory& memory() const { return memory_; }

  // --- Of one byte or more. True when all of it is in one region, and was done; false when nothing
  // was.

  [[nodiscard]] ABSL_ATTRIBUTE_ALWAYS_INLINE bool Read(GuestAddress address,
                                                       absl::Span<uint8_t> destination) {
    if (!Find(address, destination.size())) return false;
    internal::CopyFromGuest(destination.data(), Host(address), destination.size());
    return true;
  }
  [[nodiscard]] ABSL_ATTRIBUTE_ALWAYS_INLINE bool Write(GuestAddress address,
                                                        absl::Span<const uint8_t> source) {
    if (!Find(address, source.size())) return false;
    internal::CopyToGuest(Host(address), source.data(), source.size());
    Mark(address, source.size());
    return true;
  }
  // The one slice that GuestMemory::Slices would find.
  [[nodiscard]] ABSL_ATTRIBUTE_ALWAYS_INLINE bool Slice(GuestAddress address, uint64_t size,
                                                        iovec& slice) {
    if (!Find(address, size)) return false;
    slice = {.iov_base = Host(address), .iov_len = size};
    return true;
  }
  [[nodiscard]] ABSL_ATTRIBUTE_ALWAYS_INLINE bool MarkDirty(GuestAddress address, uint64_t size) {
    if (!Find(address, size)) return false;
    Mark(address, size);
    return true;
  }

 private:
  // True when region_ is one that has all of it.
  ABSL_ATTRIBUTE_ALWAYS_INLINE bool Find(GuestAddress address, uint64_t size) {
    // Of what is before the region the distance wraps, and fits in none.
    if (ABSL_PREDICT_TRUE(FitsWithin(Raw(address) - Raw(region_.start), size, region_.size))) {
      return true;
    }
    return FindAnew(address, size);
  }
  ABSL_ATTRIBUTE_NOINLINE bool FindAnew(GuestAddress address, uint64_t size) {
    const GuestMemory::Region* const found = memory_.FindRegion(address, size);
    if (found == nullptr) return false;
    region_ = *found;
    return true;
  }
  [[nodiscard]] uint8_t* Host(GuestAddress address) const {
    return region_.host + (address - region_.start);
  }
  void Mark(GuestAddress address, uint64_t size) const {
    if (region_.dirty != nullptr) region_.dirty->Mark(address - region_.start, size);
  }

  GuestMemory memory_;  // Keeps mapping and bitmap of the region alive.
  GuestMemory::Region region_;
};

}  // namespace touchstone

#endif  // TOUCHSTONE_BASE_MEMORY_GUEST_VIEW_H_
