#include "devices/virtio/vhost_user/memory_table.h"

#include <algorithm>
#include <limits>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/checked_math.h"
#include "base/status.h"

namespace touchstone {
namespace {

bool SamePlace(const VhostUserMemoryRegion& a, const VhostUserMemoryRegion& b) {
  return a.guest_address.get() == b.guest_address && a.user_address.get() == b.user_address &&
         a.size.get() == b.size;
}

// Neither end may wrap: what contains an address is found by subtraction.
bool UserRangesOverlap(const VhostUserMemoryRegion& a, const VhostUserMemoryRegion& b) {
  return a.user_address < b.user_address + b.size && b.user_address < a.user_address + a.size;
}

absl::Status CheckUserRange(const VhostUserMemoryRegion& region) {
  if (FitsWithin(region.user_address.get(), region.size.get(),
                 std::numeric_limits<uint64_t>::max())) {
    return absl::OkStatus();
  }
  return absl::InvalidArgumentError("a memory region passes the end of the user's addresses");
}

}  // namespace

absl::Status VhostUserMemoryTable::Set(absl::Span<const VhostUserMemoryRegion> regions,
                                       std::vector<ScopedFd> fds) {
  // vhost-user, SET_MEM_TABLE: size and order of the descriptors match those of the regions.
  if (fds.size() != regions.size()) {
    return absl::InvalidArgumentError(
        absl::StrCat(regions.size(), " memory regions with ", fds.size(), " descriptors"));
  }
  std::vector<Entry> entries;
  for (size_t i = 0; i < regions.size(); ++i) entries.push_back({regions[i], fds[i].get()});
  return Replace(std::move(entries));
}

absl::Status VhostUserMemoryTable::Add(const VhostUserMemoryRegion& region, ScopedFd fd) {
  std::vector<Entry> entries = entries_;
  entries.push_back({region, fd.get()});
  return Replace(std::move(entries));
}

absl::Status VhostUserMemoryTable::Remove(const VhostUserMemoryRegion& region) {
  std::vector<Entry> entries = entries_;
  const auto found = std::find_if(entries.begin(), entries.end(), [&](const Entry& entry) {
    return SamePlace(entry.region, region);
  });
  if (found == entries.end()) return absl::InvalidArgumentError("there is no such memory region");
  entries.erase(found);
  return Replace(std::move(entries));
}

absl::Status VhostUserMemoryTable::Replace(std::vector<Entry> entries) {
  if (entries.size() > kMaxRegions) {
    return absl::InvalidArgumentError(absl::StrCat("more than ", kMaxRegions, " memory regions"));
  }
  uint64_t bytes = 0;
  std::vector<GuestMemory::RegionSpec> files;
  for (size_t i = 0; i < entries.size(); ++i) {
    const VhostUserMemoryRegion& region = entries[i].region;
    RETURN_IF_ERROR(CheckUserRange(region));
    for (size_t other = 0; other < i; ++other) {
      if (UserRangesOverlap(region, entries[other].region)) {
        return absl::InvalidArgumentError("two memory regions have the same user addresses");
      }
    }
    const std::optional<uint64_t> sum = CheckedAdd<uint64_t>(bytes, region.size);
    if (!sum.has_value() || *sum > kMaxBytes) {
      return absl::InvalidArgumentError(absl::StrCat("more than ", kMaxBytes, " bytes of memory"));
    }
    bytes = *sum;
    files.push_back({.start = GuestAddress{region.guest_address.get()},
                     .size = region.size,
                     .file_offset = region.mmap_offset,
                     .fd = entries[i].fd});
  }
  GuestMemory memory;
  if (!files.empty()) {
    ASSIGN_OR_RETURN(memory, GuestMemory::MapFiles(files));
  }
  for (Entry& entry : entries) {
    const auto& regions = memory.regions();
    entry.fd = std::find_if(regions.begin(), regions.end(), [&](const auto& region) {
                 return Raw(region.start) == entry.region.guest_address;
               })->fd;
  }
  entries_ = std::move(entries);
  memory_ = std::move(memory);
  return absl::OkStatus();
}

std::optional<GuestAddress> VhostUserMemoryTable::ToGuest(uint64_t user_address) const {
  for (const Entry& entry : entries_) {
    const uint64_t start = entry.region.user_address;
    if (user_address < start || user_address - start >= entry.region.size) continue;
    return GuestAddress{entry.region.guest_address.get()} + (user_address - start);
  }
  return std::nullopt;
}

}  // namespace touchstone
