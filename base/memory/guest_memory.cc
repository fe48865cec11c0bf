#include "base/memory/guest_memory.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <limits>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "base/checked_math.h"
#include "base/log.h"
#include "base/memory/guest_copy.h"
#include "base/memory/truncation_guard.h"
#include "base/scoped_fd.h"
#include "base/status.h"

namespace touchstone {
namespace {

constexpr uint64_t kHugePage = 2 << 20;
// x86-64 has no longer physical addresses (Intel SDM volume 3, 4.1.4: MAXPHYADDR is at most 52).
constexpr uint64_t kAddressLimit = uint64_t{1} << 52;

std::string Describe(GuestAddress start, uint64_t size) {
  return absl::StrFormat("guest memory region %#x + %#x", Raw(start), size);
}

// Sorted by address.
absl::StatusOr<std::vector<GuestMemory::RegionSpec>> CheckSpecs(
    absl::Span<const GuestMemory::RegionSpec> specs) {
  std::vector<GuestMemory::RegionSpec> sorted(specs.begin(), specs.end());
  std::sort(sorted.begin(), sorted.end(),
            [](const auto& a, const auto& b) { return a.start < b.start; });
  uint64_t previous_end = 0;
  for (const GuestMemory::RegionSpec& spec : sorted) {
    const uint64_t start = Raw(spec.start);
    const char* fault = nullptr;
    if (spec.size == 0) {
      fault = "is empty";
    } else if (!IsAligned(start, kGuestPageSize) || !IsAligned(spec.size, kGuestPageSize)) {
      fault = "is not made of whole 4 KiB pages";
    } else if (!FitsWithin(start, spec.size, kAddressLimit)) {
      fault = "passes the end of physical address space (2^52)";
    } else if (start < previous_end) {
      fault = "overlaps another";
    }
    if (fault != nullptr) {
      return absl::InvalidArgumentError(absl::StrCat(Describe(spec.start, spec.size), " ", fault));
    }
    previous_end = start + spec.size;
  }
  return sorted;
}

// The lowest value >= `at_least` that equals `like` modulo kHugePage.
constexpr uint64_t NextCongruent(uint64_t at_least, uint64_t like) {
  return at_least + ((like - at_least) & (kHugePage - 1));
}

// Maps `size` bytes where the host address equals `start` modulo kHugePage: reserves that much and
// a huge page more, maps inside and gives the rest back.
absl::StatusOr<uint8_t*> MapRegion(GuestAddress start, uint64_t size, int fd, uint64_t file_offset,
                                   bool huge_pages) {
  const uint64_t reserved_size = size + kHugePage;
  void* const reserved =
      mmap(nullptr, reserved_size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (reserved == MAP_FAILED) {
    return ErrnoStatus(errno, absl::StrCat("mmap of ", Describe(start, size)));
  }
  const uint64_t base = reinterpret_cast<uintptr_t>(reserved);
  const uint64_t at = NextCongruent(base, Raw(start));
  const uint64_t end = at + size;
  uint8_t* const host = reinterpret_cast<uint8_t*>(at);
  const int backing = fd >= 0 ? MAP_SHARED : MAP_PRIVATE | MAP_ANONYMOUS;
  if (mmap(host, size, PROT_READ | PROT_WRITE, backing | MAP_FIXED | MAP_NORESERVE, fd,
           static_cast<off_t>(file_offset)) == MAP_FAILED) {
    const int error = errno;
    munmap(reserved, reserved_size);
    return ErrnoStatus(error, absl::StrCat("mmap of ", Describe(start, size)));
  }
  if (at > base) munmap(reserved, at - base);
  if (base + reserved_size > end) {
    munmap(reinterpret_cast<void*>(end), base + reserved_size - end);
  }
  // Advice: a kernel without huge pages refuses it, and small pages work as well.
  if (huge_pages) madvise(host, size, MADV_HUGEPAGE);
  return host;
}

absl::StatusOr<ScopedFd> CreateMemfd(uint64_t size) {
  ScopedFd fd(memfd_create("guest-memory", MFD_CLOEXEC | MFD_ALLOW_SEALING));
  if (!fd.valid()) return ErrnoStatus(errno, "memfd_create for guest memory");
  if (ftruncate(fd.get(), static_cast<off_t>(size)) != 0) {
    return ErrnoStatus(errno, absl::StrCat("ftruncate of guest memory to ", size, " bytes"));
  }
  // A peer that holds the descriptor must not be able to shrink it: our accesses would be SIGBUS.
  if (fcntl(fd.get(), F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) != 0) {
    return ErrnoStatus(errno, "sealing of guest memory");
  }
  return fd;
}

absl::StatusOr<ScopedFd> Duplicate(int file) {
  ScopedFd fd(fcntl(file, F_DUPFD_CLOEXEC, 0));
  if (!fd.valid()) return ErrnoStatus(errno, "dup of guest memory");
  return fd;
}

absl::Status CheckFile(const GuestMemory::RegionSpec& file) {
  struct stat status;
  if (fstat(file.fd, &status) != 0) return ErrnoStatus(errno, "fstat of guest memory");
  const char* fault = nullptr;
  if (!S_ISREG(status.st_mode)) {
    fault = "is not in a regular file";
  } else if (!IsAligned(file.file_offset, kGuestPageSize)) {
    fault = "does not begin with a 4 KiB page of its file";
  } else if (!FitsWithin(file.file_offset, file.size, static_cast<uint64_t>(status.st_size))) {
    fault = "passes the end of its file";
  }
  if (fault == nullptr) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat(Describe(file.start, file.size), " ", fault));
}

}  // namespace

struct GuestMemory::Table {
  Table() = default;
  Table(const Table&) = delete;
  Table& operator=(const Table&) = delete;
  ~Table() {
    guards.clear();  // Before others may map something there.
    if (mapped_by != nullptr) return;
    for (const Region& region : regions) munmap(region.host, region.size);
  }

  std::vector<Region> regions;
  std::vector<std::unique_ptr<DirtyBitmap>> bitmaps;
  ScopedFd memfd;
  std::vector<ScopedFd> files;  // Of the user, or of other processes.
  std::vector<TruncationGuard> guards;
  uint64_t total_size = 0;
  std::shared_ptr<const Table> mapped_by;  // To whom the mappings belong, if that is another.
};

GuestMemory::GuestMemory() {
  static const auto& empty = *new std::shared_ptr<const Table>(std::make_shared<Table>());
  table_ = empty;
}

absl::StatusOr<GuestMemory> GuestMemory::Create(absl::Span<const RegionSpec> regions,
                                                const Options& options) {
  ASSIGN_OR_RETURN(const std::vector<RegionSpec> specs, CheckSpecs(regions));
  std::vector<uint64_t> file_offsets;
  uint64_t file_size = 0;
  for (const RegionSpec& spec : specs) {
    file_offsets.push_back(NextCongruent(file_size, Raw(spec.start)));
    file_size = file_offsets.back() + spec.size;
  }

  auto table = std::make_shared<Table>();
  if (options.backing == Backing::kMemfd) {
    ASSIGN_OR_RETURN(table->memfd, CreateMemfd(file_size));
  }
  table->regions.reserve(specs.size());
  for (size_t i = 0; i < specs.size(); ++i) {
    const RegionSpec& spec = specs[i];
    const uint64_t size = spec.size;
    Region region{.start = spec.start, .size = size};
    const bool own_file = spec.fd >= 0;
    if (own_file) {
      ASSIGN_OR_RETURN(table->files.emplace_back(), Duplicate(spec.fd));
      region.fd = table->files.back().get();
      region.file_offset = spec.file_offset;
      region.users_file = true;
    } else if (table->memfd.valid()) {
      region.fd = table->memfd.get();
      region.file_offset = file_offsets[i];
    }
    ASSIGN_OR_RETURN(region.host, MapRegion(spec.start, size, region.fd, region.file_offset,
                                            options.huge_pages && !own_file));
    table->regions.push_back(region);
    table->total_size += size;
    if (options.track_dirty) {
      table->bitmaps.push_back(std::make_unique<DirtyBitmap>(size));
      table->regions.back().dirty = table->bitmaps.back().get();
    }
  }
  return GuestMemory(std::move(table));
}

absl::StatusOr<GuestMemory> GuestMemory::MapFiles(absl::Span<const RegionSpec> files) {
  ASSIGN_OR_RETURN(const std::vector<RegionSpec> sorted, CheckSpecs(files));
  auto table = std::make_shared<Table>();
  for (const RegionSpec& file : sorted) {
    RETURN_IF_ERROR(CheckFile(file));
    ASSIGN_OR_RETURN(ScopedFd fd, Duplicate(file.fd));
    ASSIGN_OR_RETURN(uint8_t* const host,
                     MapRegion(file.start, file.size, fd.get(), file.file_offset, false));
    table->regions.push_back({.start = file.start,
                              .size = file.size,
                              .host = host,
                              .fd = fd.get(),
                              .file_offset = file.file_offset,
                              .users_file = true});
    table->files.push_back(std::move(fd));
    table->total_size += file.size;
    ASSIGN_OR_RETURN(TruncationGuard guard, TruncationGuard::Watch(host, file.size));
    table->guards.push_back(std::move(guard));
  }
  return GuestMemory(std::move(table));
}

GuestMemory GuestMemory::WithLog(const DirtyMarks& marks) const {
  auto table = std::make_shared<Table>();
  for (const Region& region : regions()) {
    CHECK(region.dirty == nullptr);
    table->bitmaps.push_back(std::make_unique<DirtyBitmap>(marks, Raw(region.start)));
    table->regions.push_back(region);
    table->regions.back().dirty = table->bitmaps.back().get();
  }
  table->total_size = total_size();
  table->mapped_by = table_;
  return GuestMemory(std::move(table));
}

const GuestMemory::Region* GuestMemory::FindRegion(GuestAddress address, uint64_t size) const {
  const std::vector<Region>& regions = table_->regions;
  auto it = std::upper_bound(
      regions.begin(), regions.end(), address,
      [](GuestAddress wanted, const Region& region) { return wanted < region.start; });
  if (it == regions.begin()) return nullptr;
  --it;
  return FitsWithin(address - it->start, size, it->size) ? &*it : nullptr;
}

template <typename Visit>
absl::Status GuestMemory::ForEachPiece(GuestAddress address, uint64_t size, Visit visit) const {
  if (size == 0) return absl::OkStatus();
  if (const Region* const region = FindRegion(address, size); region != nullptr) {
    return visit(*region, address - region->start, size);
  }
  if (!Contains(address, size)) return OutOfRange(address, size);
  while (size > 0) {
    const Region& region = *FindRegion(address, 1);
    const uint64_t offset = address - region.start;
    const uint64_t piece = std::min(size, region.size - offset);
    RETURN_IF_ERROR(visit(region, offset, piece));
    address = address + piece;
    size -= piece;
  }
  return absl::OkStatus();
}

bool GuestMemory::Contains(GuestAddress address, uint64_t size) const {
  while (size > 0) {
    const Region* const region = FindRegion(address, 1);
    if (region == nullptr) return false;
    const uint64_t piece = std::min(size, region->size - (address - region->start));
    // Never wraps: regions end below 2^52.
    address = address + piece;
    size -= piece;
  }
  return true;
}

absl::Status GuestMemory::OutOfRange(GuestAddress address, uint64_t size) {
  return absl::OutOfRangeError(
      absl::StrFormat("%#x + %#x is not all guest memory", Raw(address), size));
}

absl::Status GuestMemory::Read(GuestAddress address, absl::Span<uint8_t> destination) const {
  uint8_t* to = destination.data();
  return ForEachPiece(address, destination.size(),
                      [&to](const Region& region, uint64_t offset, uint64_t size) {
                        internal::CopyFromGuest(to, region.host + offset, size);
                        to += size;
                        return absl::OkStatus();
                      });
}

absl::Status GuestMemory::Write(GuestAddress address, absl::Span<const uint8_t> source) const {
  const uint8_t* from = source.data();
  return ForEachPiece(address, source.size(),
                      [&from](const Region& region, uint64_t offset, uint64_t size) {
                        internal::CopyToGuest(region.host + offset, from, size);
                        if (region.dirty != nullptr) region.dirty->Mark(offset, size);
                        from += size;
                        return absl::OkStatus();
                      });
}

absl::Status GuestMemory::Fill(GuestAddress address, uint64_t size, uint8_t value) const {
  return ForEachPiece(address, size,
                      [value](const Region& region, uint64_t offset, uint64_t piece) {
                        internal::FillGuest(region.host + offset, value, piece);
                        if (region.dirty != nullptr) region.dirty->Mark(offset, piece);
                        return absl::OkStatus();
                      });
}

absl::Status GuestMemory::ReadFromFd(int fd, uint64_t file_offset, GuestAddress address,
                                     uint64_t size) const {
  if (!FitsWithin<uint64_t>(file_offset, size, std::numeric_limits<off_t>::max())) {
    return absl::InvalidArgumentError(
        absl::StrFormat("file range %#x + %#x is too far out to read", file_offset, size));
  }
  return ForEachPiece(
      address, size, [&](const Region& region, uint64_t offset, uint64_t piece) -> absl::Status {
        uint64_t done = 0;
        absl::Status status;
        while (done < piece && status.ok()) {
          const ssize_t count =
              pread(fd, region.host + offset + done, piece - done, static_cast<off_t>(file_offset));
          if (count > 0) {
            done += static_cast<uint64_t>(count);
            file_offset += static_cast<uint64_t>(count);
          } else if (count == 0) {
            status = absl::DataLossError(
                absl::StrFormat("file ends at %u, %u bytes short", file_offset, piece - done));
          } else if (errno != EINTR) {
            status = ErrnoStatus(errno, "read into guest memory");
          }
        }
        if (region.dirty != nullptr) region.dirty->Mark(offset, done);
        return status;
      });
}

absl::StatusOr<GuestMemory::SliceList> GuestMemory::Slices(GuestAddress address,
                                                           uint64_t size) const {
  SliceList slices;
  RETURN_IF_ERROR(
      ForEachPiece(address, size, [&slices](const Region& region, uint64_t offset, uint64_t piece) {
        slices.push_back(iovec{region.host + offset, static_cast<size_t>(piece)});
        return absl::OkStatus();
      }));
  return slices;
}

void GuestMemory::MarkDirty(GuestAddress address, uint64_t size) const {
  // What is no guest memory has no bitmap.
  ForEachPiece(address, size, [](const Region& region, uint64_t offset, uint64_t piece) {
    if (region.dirty != nullptr) region.dirty->Mark(offset, piece);
    return absl::OkStatus();
  }).IgnoreError();
}

void GuestMemory::AdviseHugePages(GuestAddress start) const {
  for (const Region& region : regions()) {
    const uint64_t skipped =
        std::min(region.size, Raw(start) - std::min(Raw(start), Raw(region.start)));
    // Advice: a kernel without huge pages refuses it, and small pages work as well.
    if (skipped < region.size) {
      madvise(region.host + skipped, region.size - skipped, MADV_HUGEPAGE);
    }
  }
}

absl::Span<const GuestMemory::Region> GuestMemory::regions() const { return table_->regions; }

uint64_t GuestMemory::total_size() const { return table_->total_size; }

}  // namespace touchstone
