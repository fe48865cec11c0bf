#include "base/memory/private_file_pages.h"

#include <errno.h>
#include <sys/mman.h>
#include <sys/types.h>

#include <iterator>
#include <map>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/strings/str_format.h"
#include "base/checked_math.h"
#include "base/log.h"
#include "base/mutex.h"
#include "base/status.h"

namespace touchstone {
namespace {

struct Regions {
  Mutex mutex;
  // By host address, with its end.
  std::map<const uint8_t*, const uint8_t*> all ABSL_GUARDED_BY(mutex);
};

Regions& KnownRegions() {
  static auto& regions = *new Regions;
  return regions;
}

}  // namespace

PrivateFilePages::Entry::Entry(const GuestMemory::Region& region) : host_(region.host) {
  Regions& regions = KnownRegions();
  MutexLock lock(regions.mutex);
  regions.all[host_] = host_ + region.size;
}

PrivateFilePages::Entry::~Entry() {
  if (host_ == nullptr) return;
  Regions& regions = KnownRegions();
  MutexLock lock(regions.mutex);
  regions.all.erase(host_);
}

bool PrivateFilePages::MayBeAt(const void* host) {
  const uint8_t* const at = static_cast<const uint8_t*>(host);
  Regions& regions = KnownRegions();
  MutexLock lock(regions.mutex);
  const auto after = regions.all.upper_bound(at);
  return after != regions.all.begin() && at < std::prev(after)->second;
}

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
  return PrivateFilePages(memory, region, std::move(guard));
}

}  // namespace touchstone
