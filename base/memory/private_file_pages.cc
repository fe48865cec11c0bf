#include "base/memory/private_file_pages.h"

#include <errno.h>
#include <sys/mman.h>
#include <sys/types.h>

#include "absl/status/status.h"
#include "absl/strings/str_format.h"
#include "base/checked_math.h"
#include "base/log.h"
#include "base/status.h"

namespace touchstone {

absl::StatusOr<PrivateFilePages> PrivateFilePages::Map(const GuestMemory& memory,
                                                       const GuestMemory::Region& region, int fd,
                                                       absl::Span<const Extent> extents) {
  CHECK(region.fd < 0);
  ASSIGN_OR_RETURN(TruncationGuard guard, TruncationGuard::Watch(region.host, region.size));
  for (const Extent& extent : extents) {
    if (extent.size == 0 || !FitsWithin(extent.offset, extent.size, region.size) ||
        !IsAligned(extent.offset | extent.size | extent.file_offset, kGuestPageSize)) {
      return absl::InvalidArgumentError(
          absl::StrFormat("there is no guest memory at %#x + %#x of %#x + %#x", extent.offset,
                          extent.size, Raw(region.start), region.size));
    }
    if (mmap(region.host + extent.offset, extent.size, PROT_READ | PROT_WRITE,
             MAP_PRIVATE | MAP_FIXED | MAP_NORESERVE, fd,
             static_cast<off_t>(extent.file_offset)) == MAP_FAILED) {
      return ErrnoStatus(errno, "mmap of a file as guest memory");
    }
  }
  return PrivateFilePages(memory, std::move(guard));
}

}  // namespace touchstone
