// A row of equal elements in guest memory that is found once and accessed often: a descriptor
// table, the entries of a ring.
//
//   ASSIGN_OR_RETURN(auto table, (GuestArray<Descriptor, 16>::Create(memory, address, size)));
//   if (index >= table.count()) return "the guest's index is beyond the end";
//   const Descriptor descriptor = table.Read(index);
//
// A GuestWindow whose bounds are counted in elements, so that the compiler sees that a caller who
// compared an index with count() has done the check that each access does. Holds the memory it
// looks into alive. Thread-safe; the guest may race with any access.

#ifndef TOUCHSTONE_BASE_MEMORY_GUEST_ARRAY_H_
#define TOUCHSTONE_BASE_MEMORY_GUEST_ARRAY_H_

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <type_traits>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/log.h"
#include "base/memory/guest_copy.h"
#include "base/memory/guest_memory.h"

namespace touchstone {

// The first element is aligned to kAlignment, a power of two that divides sizeof(T) or is a
// multiple of it.
template <typename T, size_t kAlignment = alignof(T)>
class GuestArray {
 public:
  static_assert(std::is_trivially_copyable_v<T>);

  // OutOfRange when not all elements are guest memory of one region, InvalidArgument when `address`
  // is not aligned or there is no element.
  static absl::StatusOr<GuestArray> Create(const GuestMemory& memory, GuestAddress address,
                                           uint32_t count) {
    if (Raw(address) % kAlignment != 0) {
      return absl::InvalidArgumentError("unaligned array in guest memory");
    }
    if (count == 0) return absl::InvalidArgumentError("empty array in guest memory");
    const uint64_t size = uint64_t{count} * sizeof(T);
    const GuestMemory::Region* const region = memory.FindRegion(address, size);
    if (region == nullptr) return GuestMemory::OutOfRange(address, size);
    return GuestArray(memory, *region, address - region->start, count);
  }

  [[nodiscard]] uint32_t count() const { return count_; }

  // Copies. REQUIRES: index < count().
  [[nodiscard]] T Read(uint32_t index) const {
    CHECK(index < count_);
    T object;
    internal::CopyFromGuest(reinterpret_cast<uint8_t*>(&object), At(index), sizeof(T));
    return object;
  }

  // --- For a count that is a power of two: `index` runs freely.

  // One aligned access with a memory order; T is in guest byte order (little-endian).
  [[nodiscard]] T LoadWrapped(uint32_t index, std::memory_order order) const {
    static_assert(std::is_unsigned_v<T> && std::atomic_ref<T>::is_always_lock_free);
    static_assert(kAlignment % sizeof(T) == 0);
    return std::atomic_ref<T>(*reinterpret_cast<T*>(At(index & mask_))).load(order);
  }
  void WriteWrapped(uint32_t index, const T& object) const {
    index &= mask_;
    internal::CopyToGuest<kAlignment>(At(index), object);
    if (dirty_ != nullptr) dirty_->Mark(start_ + index * sizeof(T), sizeof(T));
  }

 private:
  GuestArray(GuestMemory memory, const GuestMemory::Region& region, uint64_t start, uint32_t count)
      : host_(region.host + start),
        count_(count),
        mask_((count & (count - 1)) == 0 ? count - 1 : 0),
        dirty_(region.dirty),
        start_(start),
        memory_(std::move(memory)) {}

  [[nodiscard]] uint8_t* At(uint32_t index) const {
    // Regions are mapped where the host address is aligned as the guest's is.
    constexpr size_t kElementAlignment = kAlignment < sizeof(T) ? kAlignment : sizeof(T);
    return std::assume_aligned<kElementAlignment>(host_ + index * sizeof(T));
  }

  uint8_t* host_;
  uint32_t count_;
  uint32_t mask_;  // Below the count, whatever that is.
  DirtyBitmap* dirty_;
  uint64_t start_;      // In the region.
  GuestMemory memory_;  // Keeps the mapping and the bitmap alive.
};

}  // namespace touchstone

#endif  // TOUCHSTONE_BASE_MEMORY_GUEST_ARRAY_H_
