#include "devices/virtio/vhost_user/inflight_region.h"

#include <errno.h>
#include <sys/mman.h>
#include <unistd.h>

#include "absl/strings/str_cat.h"
#include "base/status.h"
#include "devices/virtio/core/inflight_layout.h"
#include "devices/virtio/core/queue_layout.h"

namespace touchstone {
namespace {

// What back ends align the part of a queue to; the text says nothing.
constexpr uint64_t kQueueAlignment = 64;
constexpr uint64_t kMaxBytes = uint64_t{1} << 30;

// Both numbers are far from the end of their type.
constexpr uint64_t RoundUp(uint64_t value, uint64_t alignment) {
  return (value + alignment - 1) / alignment * alignment;
}

uint64_t QueueBytes(uint16_t queue_size, bool packed) {
  return RoundUp(InflightBytes(queue_size, packed), kQueueAlignment);
}

absl::Status CheckQueueSize(uint16_t queue_size) {
  if (queue_size > 0 && queue_size <= kMaxQueueSize) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat("inflight chains of queues of ", queue_size));
}

}  // namespace

absl::StatusOr<VhostUserInflightRegion::File> VhostUserInflightRegion::Make(uint16_t queues,
                                                                            uint16_t queue_size,
                                                                            bool packed) {
  RETURN_IF_ERROR(CheckQueueSize(queue_size));
  if (queues == 0) return absl::InvalidArgumentError("inflight chains of no queues");
  const uint64_t size = RoundUp(queues * QueueBytes(queue_size, packed), kGuestPageSize);
  File file;
  file.fd = ScopedFd(memfd_create("vhost_user_inflight", MFD_CLOEXEC));
  if (!file.fd.valid()) return ErrnoStatus(errno, "memfd_create");
  // As long as that, and no system call that a jail would have to allow for it.
  if (lseek(file.fd.get(), static_cast<off_t>(size) - 1, SEEK_SET) < 0 ||
      write(file.fd.get(), "", 1) != 1) {
    return ErrnoStatus(errno, "write of an inflight region");
  }
  file.description = {
      .mmap_size = size, .mmap_offset = uint64_t{0}, .queues = queues, .queue_size = queue_size};
  return file;
}

absl::StatusOr<VhostUserInflightRegion> VhostUserInflightRegion::Map(
    const VhostUserInflight& description, const ScopedFd& fd) {
  RETURN_IF_ERROR(CheckQueueSize(description.queue_size));
  const uint64_t size = description.mmap_size;
  if (size == 0 || size > kMaxBytes) {
    return absl::InvalidArgumentError(absl::StrCat("an inflight region of ", size, " bytes"));
  }
  const GuestMemory::RegionSpec file = {.start = GuestAddress{0},
                                        .size = RoundUp(size, kGuestPageSize),
                                        .file_offset = description.mmap_offset,
                                        .fd = fd.get()};
  ASSIGN_OR_RETURN(GuestMemory memory, GuestMemory::MapFiles({&file, 1}));
  return VhostUserInflightRegion(description, std::move(memory));
}

absl::StatusOr<GuestWindow> VhostUserInflightRegion::Window(uint16_t index, bool packed) const {
  const uint64_t start = index * QueueBytes(description_.queue_size, packed);
  const uint64_t size = InflightBytes(description_.queue_size, packed);
  if (index >= description_.queues || start + size > description_.mmap_size) {
    return absl::InvalidArgumentError(
        absl::StrCat("ring ", index, " is beyond the end of the inflight region"));
  }
  return GuestWindow::Create(memory_, GuestAddress{start}, size, kQueueAlignment);
}

}  // namespace touchstone
