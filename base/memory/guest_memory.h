// Guest memory: the only way to guest bytes.
//
// A GuestMemory is a cheap, copyable handle to an immutable table of regions, each a host mapping.
// The guest may write any of these bytes at any moment, so nothing here returns a pointer or
// reference to them as objects: bytes are copied out once (Read, ReadObject) and the copy is
// believed. Slices() exists only to feed readv, writev and io_uring.
//
//   ASSIGN_OR_RETURN(GuestMemory memory, GuestMemory::Create({{GuestAddress{0}, 256 << 20}}, {}));
//   RETURN_IF_ERROR(memory.WriteObject(GuestAddress{0x7000}, header));
//   ASSIGN_OR_RETURN(Le32 magic, memory.ReadObject<Le32>(GuestAddress{0x7202}));
//
// An access may cross adjoining regions; one that touches a byte outside every region fails as a
// whole with OutOfRange and changes nothing. Every write marks its pages in the region's dirty
// bitmap when there is one.
//
// Thread-safe; the guest and other threads may race with any access, byte by byte.

#ifndef TOUCHSTONE_BASE_MEMORY_GUEST_MEMORY_H_
#define TOUCHSTONE_BASE_MEMORY_GUEST_MEMORY_H_

#include <sys/uio.h>

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <type_traits>
#include <utility>

#include "absl/container/inlined_vector.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "base/memory/dirty_bitmap.h"
#include "base/memory/guest_address.h"

namespace touchstone {

inline constexpr uint64_t kGuestPageSize = 4096;

class GuestMemory {
 public:
  // What to map where. Sizes and starts are multiples of kGuestPageSize.
  struct RegionSpec {
    GuestAddress start{};
    uint64_t size = 0;
    // A file to map there, shared, from `file_offset` on (a multiple of kGuestPageSize) instead of
    // what Options say; borrowed during Create. Cut shorter later, it is SIGBUS for who touches it.
    uint64_t file_offset = 0;
    int fd = -1;
  };

  enum class Backing {
    // Private anonymous memory: transparent huge pages whatever the host's shmem policy says, but
    // no other process can map it.
    kAnonymous,
    // One memfd for all regions that have no file: can be handed to vhost-user peers and jailed
    // devices, as those with files can.
    kMemfd,
  };

  struct Options {
    Backing backing = Backing::kAnonymous;
    // madvise(MADV_HUGEPAGE). Whatever this says, host addresses and file offsets equal guest
    // addresses modulo 2 MiB, so that guest and host can share huge pages.
    bool huge_pages = true;
    // Gives each region a dirty bitmap that writes through this class mark.
    bool track_dirty = false;
  };

  struct Region {
    GuestAddress start{};
    uint64_t size = 0;
    // Host address of the first byte: for KVM memory slots and vhost-user tables, never to be
    // dereferenced.
    uint8_t* host = nullptr;
    // File that backs the region (-1 when anonymous; a memfd sealed against resizing unless it is
    // of a RegionSpec) and the offset of its first byte there.
    int fd = -1;
    uint64_t file_offset = 0;
    // The file is that of a RegionSpec.
    bool users_file = false;
    DirtyBitmap* dirty = nullptr;
  };

  // Up to this many slices need no allocation.
  using SliceList = absl::InlinedVector<iovec, 4>;

  // Maps the regions. InvalidArgument when they are empty, unaligned, overlap or pass 2^52;
  // ResourceExhausted or the call's errno when the host cannot map that much.
  static absl::StatusOr<GuestMemory> Create(absl::Span<const RegionSpec> regions,
                                            const Options& options);

  // Maps memory that another process made, who is not trusted. All regions have a descriptor, which
  // is duplicated.
  // InvalidArgument also when a piece is not all in its file, or that is no regular file. A file
  // that is cut short later reads as zeros from there on (truncation_guard.h).
  static absl::StatusOr<GuestMemory> MapFiles(absl::Span<const RegionSpec> files);

  // No memory at all: every access is OutOfRange.
  GuestMemory();

  // The same memory, of which each write marks its pages in a log. This handle goes on without.
  // REQUIRES: it has no dirty bitmaps.
  [[nodiscard]] GuestMemory WithLog(const DirtyMarks& marks) const;

  absl::Status Read(GuestAddress address, absl::Span<uint8_t> destination) const;
  absl::Status Write(GuestAddress address, absl::Span<const uint8_t> source) const;
  absl::Status Fill(GuestAddress address, uint64_t size, uint8_t value) const;

  template <typename T>
  absl::StatusOr<T> ReadObject(GuestAddress address) const {
    static_assert(std::is_trivially_copyable_v<T>);
    T object;
    absl::Status status =
        Read(address, absl::MakeSpan(reinterpret_cast<uint8_t*>(&object), sizeof(T)));
    if (!status.ok()) return status;
    return object;
  }

  template <typename T>
  absl::Status WriteObject(GuestAddress address, const T& object) const {
    static_assert(std::is_trivially_copyable_v<T>);
    return Write(address,
                 absl::MakeConstSpan(reinterpret_cast<const uint8_t*>(&object), sizeof(T)));
  }

  // Reads exactly `size` bytes of `fd` at `file_offset` straight into guest memory. DataLoss when
  // the file ends before; what was read until then stays in guest memory.
  absl::Status ReadFromFd(int fd, uint64_t file_offset, GuestAddress address, uint64_t size) const;

  // The host ranges behind [address, address + size), for readv, writev and io_uring; valid while
  // this handle or a copy lives. A caller whose system call stores into them calls MarkDirty after
  // it.
  absl::StatusOr<SliceList> Slices(GuestAddress address, uint64_t size) const;
  void MarkDirty(GuestAddress address, uint64_t size) const;

  // True when every byte of [address, address + size) is guest memory. An empty range anywhere is.
  [[nodiscard]] bool Contains(GuestAddress address, uint64_t size) const;

  // Asks for huge pages from `start` on, when Options.huge_pages did not. What has been touched
  // already stays in small pages until the host gathers them.
  void AdviseHugePages(GuestAddress start) const;

  // Sorted by address.
  [[nodiscard]] absl::Span<const Region> regions() const;
  [[nodiscard]] uint64_t total_size() const;

 private:
  template <typename T, size_t kAlignment>
  friend class GuestArray;
  template <typename T>
  friend class GuestAtomic;
  friend class GuestView;
  friend class GuestWindow;
  struct Table;

  explicit GuestMemory(std::shared_ptr<const Table> table) : table_(std::move(table)) {}

  // The region that holds all of [address, address + size), or null.
  const Region* FindRegion(GuestAddress address, uint64_t size) const;
  // Calls visit(region, offset in region, piece size) for each region that the range touches, in
  // address order; calls nothing when a byte of it is outside.
  template <typename Visit>
  absl::Status ForEachPiece(GuestAddress address, uint64_t size, Visit visit) const;
  static absl::Status OutOfRange(GuestAddress address, uint64_t size);

  std::shared_ptr<const Table> table_;
};

// An integer in guest memory that is read and written as one aligned access with a stated memory
// order: ring indices and the like. Holds the memory it points into alive. T is an unsigned integer
// in guest byte order (little-endian).
template <typename T>
class GuestAtomic {
 public:
  static_assert(std::is_unsigned_v<T> && std::atomic_ref<T>::is_always_lock_free);

  // OutOfRange when the address is no guest memory, InvalidArgument when it is not aligned to
  // sizeof(T).
  static absl::StatusOr<GuestAtomic> Create(const GuestMemory& memory, GuestAddress address) {
    if (Raw(address) % sizeof(T) != 0) {
      return absl::InvalidArgumentError("unaligned atomic access to guest memory");
    }
    const GuestMemory::Region* const region = memory.FindRegion(address, sizeof(T));
    if (region == nullptr) return GuestMemory::OutOfRange(address, sizeof(T));
    return GuestAtomic(memory, *region, address - region->start);
  }

  [[nodiscard]] T Load(std::memory_order order) const {
    return std::atomic_ref<T>(*host_).load(order);
  }
  void Store(T value, std::memory_order order) const {
    std::atomic_ref<T>(*host_).store(value, order);
    if (region_->dirty != nullptr) region_->dirty->Mark(offset_, sizeof(T));
  }

 private:
  GuestAtomic(GuestMemory memory, const GuestMemory::Region& region, uint64_t offset)
      : memory_(std::move(memory)),
        region_(&region),
        offset_(offset),
        host_(reinterpret_cast<T*>(region.host + offset)) {}

  GuestMemory memory_;  // keeps the mapping and region_ alive
  const GuestMemory::Region* region_;
  uint64_t offset_;
  T* host_;
};

}  // namespace touchstone

#endif  // TOUCHSTONE_BASE_MEMORY_GUEST_MEMORY_H_
