#include "devices/virtio/vhost_user/frontend_log.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/memory/dirty_log.h"
#include "base/status.h"

namespace touchstone {

absl::StatusOr<std::unique_ptr<VhostUserFrontendLog>> VhostUserFrontendLog::Create(
    const GuestMemory& memory) {
  if (memory.regions().empty()) return absl::InvalidArgumentError("a dirty log of no memory");
  const GuestMemory::Region& last = memory.regions().back();
  const uint64_t size = DirtyLog::BytesFor(Raw(last.start) + last.size);
  ScopedFd fd(memfd_create("vhost_user_log", MFD_CLOEXEC | MFD_ALLOW_SEALING));
  if (!fd.valid()) return ErrnoStatus(errno, "memfd_create for a dirty log");
  if (ftruncate(fd.get(), static_cast<off_t>(size)) != 0) {
    return ErrnoStatus(errno, "ftruncate of a dirty log");
  }
  if (fcntl(fd.get(), F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) != 0) {
    return ErrnoStatus(errno, "sealing of a dirty log");
  }
  ASSIGN_OR_RETURN(std::shared_ptr<const DirtyLog> log, DirtyLog::Map(fd.get(), 0, size));
  return std::unique_ptr<VhostUserFrontendLog>(new VhostUserFrontendLog(
      {.mmap_size = size, .mmap_offset = uint64_t{0}}, std::move(fd), {.log = std::move(log)}));
}

void VhostUserFrontendLog::MarkRing(const QueueLayout& layout) {
  // A packed ring's device area is shorter, and a split one's descriptors are the driver's.
  bitmap_.Mark(Raw(layout.device), 6 + 8 * uint64_t{layout.size});
  bitmap_.Mark(Raw(layout.descriptors), sizeof(SplitDescriptor) * uint64_t{layout.size});
}

}  // namespace touchstone
