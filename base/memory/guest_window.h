// A range of guest memory that is found once and accessed often: a ring.
//
//   ASSIGN_OR_RETURN(GuestWindow table, GuestWindow::Create(memory, address, 16 * size, 16));
//   const Descriptor descriptor = table.Read<Descriptor>(16 * index);
//   table.Store<uint16_t>(2, index, std::memory_order_release);
//
// What GuestMemory and GuestAtomic do, without looking for the region at each access; no pointer
// leaves it. Holds the memory it looks into alive. Thread-safe; the guest may race with any access.

#ifndef TOUCHSTONE_BASE_MEMORY_GUEST_WINDOW_H_
#define TOUCHSTONE_BASE_MEMORY_GUEST_WINDOW_H_

#include <atomic>
#include <cstdint>
#include <type_traits>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/log.h"
#include "base/memory/guest_copy.h"
#include "base/memory/guest_memory.h"

namespace touchstone {

class GuestWindow {
 public:
  // OutOfRange when not all of [address, address + size) is guest memory of one region,
  // InvalidArgument when `address` is not a multiple of `alignment`, a power of two.
  static absl::StatusOr<GuestWindow> Create(const GuestMemory& memory, GuestAddress address,
                                            uint64_t size, uint64_t alignment) {
    if ((Raw(address) & (alignment - 1)) != 0) {
      return absl::InvalidArgumentError("unaligned window into guest memory");
    }
    const GuestMemory::Region* const region = memory.FindRegion(address, size);
    if (region == nullptr) return GuestMemory::OutOfRange(address, size);
    return GuestWindow(memory, *region, address - region->start, size);
  }

  // Copies. REQUIRES: offset + sizeof(T) <= size().
  template <typename T>
  [[nodiscard]] T Read(uint32_t offset) const {
    static_assert(std::is_trivially_copyable_v<T>);
    T object;
    internal::CopyFromGuest(reinterpret_cast<uint8_t*>(&object), At(offset, sizeof(T)), sizeof(T));
    return object;
  }
  template <typename T>
  void Write(uint32_t offset, const T& object) const {
    static_assert(std::is_trivially_copyable_v<T>);
    internal::CopyToGuest(At(offset, sizeof(T)), reinterpret_cast<const uint8_t*>(&object),
                          sizeof(T));
    Mark(offset, sizeof(T));
  }

  // One aligned access with a memory order; T is in guest byte order (little-endian). REQUIRES: as
  // above, and that address and offset are multiples of sizeof(T).
  template <typename T>
  [[nodiscard]] T Load(uint32_t offset, std::memory_order order) const {
    static_assert(std::is_unsigned_v<T> && std::atomic_ref<T>::is_always_lock_free);
    return std::atomic_ref<T>(*reinterpret_cast<T*>(At(offset, sizeof(T)))).load(order);
  }
  template <typename T>
  void Store(uint32_t offset, T value, std::memory_order order) const {
    static_assert(std::is_unsigned_v<T> && std::atomic_ref<T>::is_always_lock_free);
    std::atomic_ref<T>(*reinterpret_cast<T*>(At(offset, sizeof(T)))).store(value, order);
    Mark(offset, sizeof(T));
  }

  [[nodiscard]] uint64_t size() const { return size_; }

 private:
  GuestWindow(GuestMemory memory, const GuestMemory::Region& region, uint64_t start, uint64_t size)
      : memory_(std::move(memory)),
        host_(region.host + start),
        size_(size),
        dirty_(region.dirty),
        start_(start) {}

  [[nodiscard]] uint8_t* At(uint32_t offset, size_t size) const {
    CHECK(uint64_t{offset} + size <= size_);
    return host_ + offset;
  }
  void Mark(uint32_t offset, size_t size) const {
    if (dirty_ != nullptr) dirty_->Mark(start_ + offset, size);
  }

  GuestMemory memory_;  // Keeps the mapping and the bitmap alive.
  uint8_t* host_;
  uint64_t size_;
  DirtyBitmap* dirty_;
  uint64_t start_;  // In the region.
};

}  // namespace touchstone

#endif  // TOUCHSTONE_BASE_MEMORY_GUEST_WINDOW_H_
