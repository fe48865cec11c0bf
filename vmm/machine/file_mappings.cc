#include "vmm/machine/file_mappings.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/checked_math.h"
#include "base/scoped_fd.h"
#include "base/status.h"

namespace touchstone {
namespace {

// Never cuts a file: what is behind the store stays.
absl::Status MakeLongEnough(int fd, uint64_t size) {
  struct stat status = {};
  if (fstat(fd, &status) != 0) return ErrnoStatus(errno, "stat");
  if (!S_ISREG(status.st_mode)) return absl::InvalidArgumentError("is not a regular file");
  if (static_cast<uint64_t>(status.st_size) >= size) return absl::OkStatus();
  if (ftruncate(fd, static_cast<off_t>(size)) != 0) {
    return ErrnoStatus(errno, absl::StrCat("ftruncate to ", size, " bytes"));
  }
  return absl::OkStatus();
}

absl::StatusOr<FileMapping> OpenPstore(const PstoreConfig& config, const MemoryRange& place) {
  ASSIGN_OR_RETURN(const ScopedFd fd, OpenFile(config.path(), O_RDWR | O_CREAT));
  RETURN_IF_ERROR(Annotate(MakeLongEnough(fd.get(), place.size), config.path()));
  absl::StatusOr<MappedFile> file = MappedFile::Map(fd.get(), 0, place.size, MappedFile::kWritable);
  if (!file.ok()) return Annotate(file.status(), config.path());
  return FileMapping{.start = place.start, .file = *std::move(file)};
}

// crosvm.md 1.3: with align the address is rounded down and the end up.
MemoryRange RangeOf(const FileBackedMappingConfig& config) {
  const uint64_t start = AlignDown(config.addr(), kGuestPageSize);
  const uint64_t end = config.addr() + config.size();
  return {GuestAddress{start}, AlignDown(end - start + (kGuestPageSize - 1), kGuestPageSize)};
}

// A device may tell no size.
absl::Status CheckSize(int fd, uint64_t end) {
  struct stat status = {};
  if (fstat(fd, &status) != 0) return ErrnoStatus(errno, "stat");
  if (!S_ISREG(status.st_mode)) return absl::OkStatus();
  const uint64_t pages =
      AlignDown(static_cast<uint64_t>(status.st_size) + kGuestPageSize - 1, kGuestPageSize);
  if (end <= pages) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat("has ", status.st_size, " bytes, offset= and size= reach to ", end));
}

absl::StatusOr<ScopedFd> OpenChecked(const FileBackedMappingConfig& config) {
  const int flags = (config.rw() ? O_RDWR : O_RDONLY) | (config.sync() ? O_SYNC : 0);
  ASSIGN_OR_RETURN(ScopedFd fd, OpenFile(config.path(), flags));
  uint64_t end = 0;
  if (__builtin_add_overflow(config.offset(), RangeOf(config).size, &end)) end = UINT64_MAX;
  RETURN_IF_ERROR(Annotate(CheckSize(fd.get(), end), config.path()));
  return fd;
}

absl::StatusOr<FileMapping> OpenFileBacked(const FileBackedMappingConfig& config) {
  const MemoryRange place = RangeOf(config);
  ASSIGN_OR_RETURN(const ScopedFd fd, OpenChecked(config));
  absl::StatusOr<MappedFile> file =
      MappedFile::Map(fd.get(), config.offset(), place.size,
                      config.rw() ? MappedFile::kWritable : MappedFile::kReadOnly);
  if (!file.ok()) return Annotate(file.status(), config.path());
  return FileMapping{.start = place.start, .file = *std::move(file), .read_only = !config.rw()};
}

}  // namespace

std::vector<MemoryRange> FileMappingRanges(const RunConfig& config, bool ram_only) {
  std::vector<MemoryRange> ranges;
  for (const FileBackedMappingConfig& mapping : config.file_backed_mapping()) {
    if (mapping.ram() || !ram_only) ranges.push_back(RangeOf(mapping));
  }
  return ranges;
}

absl::StatusOr<std::vector<FileMemory>> OpenFileMemory(const RunConfig& config) {
  std::vector<FileMemory> memories;
  for (const FileBackedMappingConfig& mapping : config.file_backed_mapping()) {
    if (!mapping.ram()) continue;
    absl::StatusOr<ScopedFd> fd = OpenChecked(mapping);
    if (!fd.ok()) return Annotate(fd.status(), "--file-backed-mapping");
    const MemoryRange place = RangeOf(mapping);
    const GuestMemory::RegionSpec spec = {
        .start = place.start, .size = place.size, .file_offset = mapping.offset(), .fd = fd->get()};
    memories.push_back({.fd = *std::move(fd), .spec = spec});
  }
  return memories;
}

absl::StatusOr<std::vector<FileMapping>> OpenFileMappings(const RunConfig& config,
                                                          const MemoryLayout& layout) {
  std::vector<FileMapping> mappings;
  if (config.has_pstore()) {
    absl::StatusOr<FileMapping> pstore = OpenPstore(config.pstore(), layout.pstore);
    if (!pstore.ok()) return Annotate(pstore.status(), "--pstore");
    mappings.push_back(*std::move(pstore));
  }
  for (const FileBackedMappingConfig& each : config.file_backed_mapping()) {
    if (each.ram()) continue;
    absl::StatusOr<FileMapping> mapping = OpenFileBacked(each);
    if (!mapping.ok()) return Annotate(mapping.status(), "--file-backed-mapping");
    mappings.push_back(*std::move(mapping));
  }
  return mappings;
}

}  // namespace touchstone
