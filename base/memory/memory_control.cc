#include "base/memory/memory_control.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>

#include <algorithm>

#include "base/memory/guest_copy.h"
#include "base/memory/private_file_pages.h"
#include "base/status.h"

namespace touchstone {
namespace {

// Zeros in place of what may be pages of a file. Where the host has no more mappings to give, they
// are written.
void Forget(uint8_t* host, uint64_t size) {
  if (mmap(host, size, PROT_READ | PROT_WRITE,
           MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED | MAP_NORESERVE, -1, 0) == MAP_FAILED) {
    internal::FillGuest(host, 0, size);
  }
}

absl::Status ReleaseIn(const GuestMemory::Region& region, uint64_t offset, uint64_t size) {
  if (region.fd < 0 && PrivateFilePages::MayBeAt(region.host)) {
    Forget(region.host + offset, size);
  } else if (region.fd < 0) {
    // Of locked memory (mlock) the first is refused; the second is for Linux 5.18 and newer.
    if (madvise(region.host + offset, size, MADV_DONTNEED) != 0 &&
        (errno != EINVAL || madvise(region.host + offset, size, MADV_DONTNEED_LOCKED) != 0)) {
      return ErrnoStatus(errno, "MADV_DONTNEED of guest memory");
    }
  } else if (fallocate(region.fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
                       static_cast<off_t>(region.file_offset + offset),
                       static_cast<off_t>(size)) != 0) {
    return ErrnoStatus(errno, "FALLOC_FL_PUNCH_HOLE of guest memory");
  }
  if (region.dirty != nullptr) region.dirty->Mark(offset, size);
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<uint64_t> GuestMemoryControl::Release(GuestAddress start, uint64_t size) {
  uint64_t released = 0;
  for (const GuestMemory::Region& region : memory_.regions()) {
    const uint64_t first = std::max(Raw(start), Raw(region.start));
    // Inclusive, for the sake of an end at 2^64.
    const uint64_t last = std::min(Raw(start) + (size - 1), Raw(region.start) + (region.size - 1));
    if (size == 0 || first > last) continue;
    RETURN_IF_ERROR(ReleaseIn(region, first - Raw(region.start), last - first + 1));
    released += last - first + 1;
  }
  return released;
}

}  // namespace touchstone
