// The back end's view of its front end's memory: pieces of files, each with an address of the guest
// and one of the front end's own, by which it names rings (vhost-user, "Memory access").
//
// The front end is not trusted: pieces that overlap, wrap, or are not all in their files are
// refused, and a file that is cut short later does no harm (base/memory/truncation_guard.h).
//
// Thread-compatible; the GuestMemory that it hands out is thread-safe and holds its pieces itself.

#ifndef TOUCHSTONE_DEVICES_VIRTIO_VHOST_USER_MEMORY_TABLE_H_
#define TOUCHSTONE_DEVICES_VIRTIO_VHOST_USER_MEMORY_TABLE_H_

#include <cstdint>
#include <optional>
#include <vector>

#include "absl/status/status.h"
#include "absl/types/span.h"
#include "base/memory/guest_memory.h"
#include "base/scoped_fd.h"
#include "devices/virtio/vhost_user/message.h"

namespace touchstone {

class VhostUserMemoryTable {
 public:
  // Pieces that there may be, and bytes in all.
  static constexpr size_t kMaxRegions = 32;
  static constexpr uint64_t kMaxBytes = uint64_t{1} << 44;

  // --- Each changes the table as a whole, or returns InvalidArgument (or the errno of the host)
  // and changes nothing.

  // SET_MEM_TABLE: exactly one descriptor for each region.
  absl::Status Set(absl::Span<const VhostUserMemoryRegion> regions, std::vector<ScopedFd> fds);
  // ADD_MEM_REG.
  absl::Status Add(const VhostUserMemoryRegion& region, ScopedFd fd);
  // REM_MEM_REG: the region with these addresses and size.
  absl::Status Remove(const VhostUserMemoryRegion& region);

  // The guest's address of what the front end sees at `user_address`.
  [[nodiscard]] std::optional<GuestAddress> ToGuest(uint64_t user_address) const;

  // All of it; no memory while the table is empty.
  [[nodiscard]] const GuestMemory& memory() const { return memory_; }
  [[nodiscard]] bool empty() const { return entries_.empty(); }

 private:
  struct Entry {
    VhostUserMemoryRegion region;
    int fd = -1;  // Belongs to `memory_`.
  };

  // Maps the entries, and takes them when that worked.
  absl::Status Replace(std::vector<Entry> entries);

  std::vector<Entry> entries_;
  GuestMemory memory_;
};

}  // namespace touchstone

#endif  // TOUCHSTONE_DEVICES_VIRTIO_VHOST_USER_MEMORY_TABLE_H_
