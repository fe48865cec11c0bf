#include "vmm/snapshot/snapshot.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <unistd.h>

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "base/checked_math.h"
#include "base/status.h"
#include "vmm/snapshot/container.h"
#include "vmm/snapshot/memory_reader.h"
#include "vmm/snapshot/pages.h"

namespace touchstone {
namespace {

// Its size.
absl::StatusOr<uint64_t> CheckFile(int fd) {
  struct stat status;
  if (fstat(fd, &status) != 0) return ErrnoStatus(errno, "stat");
  if (!S_ISREG(status.st_mode)) return absl::InvalidArgumentError("is no regular file");
  return static_cast<uint64_t>(status.st_size);
}

absl::StatusOr<std::string> ReadAll(int fd) {
  ASSIGN_OR_RETURN(const uint64_t size, CheckFile(fd));
  if (size > Snapshot::kMaxMachineFile) {
    return absl::ResourceExhaustedError(absl::StrCat("has ", size, " bytes, of which no more than ",
                                                     Snapshot::kMaxMachineFile, " are read"));
  }
  std::string bytes(size, '\0');
  size_t done = 0;
  while (done < bytes.size()) {
    const ssize_t count = pread(fd, &bytes[done], bytes.size() - done, static_cast<off_t>(done));
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return ErrnoStatus(errno, "read");
    if (count == 0) break;
    done += static_cast<size_t>(count);
  }
  bytes.resize(done);
  return bytes;
}

// Not waiting for who knows what to be opened at the other end.
absl::StatusOr<ScopedFd> OpenIn(absl::string_view folder, absl::string_view name) {
  return OpenFile(absl::StrCat(folder, "/", name), O_RDONLY | O_NONBLOCK | O_NOCTTY);
}

// Gaps in the file that are shorter are mapped as well: each mapping costs the kernel something,
// and a process has no more than some 65,000. What is not mapped stays anonymous and can be in huge
// pages.
uint64_t ShortestGap(const GuestMemory::Region& region) {
  constexpr uint64_t kMostExtents = 8192;
  return std::max<uint64_t>(MemoryMap::kChunkSize, region.size / kMostExtents);
}

// Where the file has data, of what belongs to the region.
absl::StatusOr<std::vector<PrivateFilePages::Extent>> FindExtents(int fd,
                                                                  const GuestMemory::Region& region,
                                                                  uint64_t file_offset) {
  std::vector<PrivateFilePages::Extent> extents;
  const uint64_t end = file_offset + region.size;
  for (uint64_t at = file_offset; at < end;) {
    const off_t data = lseek(fd, static_cast<off_t>(at), SEEK_DATA);
    if (data < 0 && errno == ENXIO) break;
    if (data < 0) return ErrnoStatus(errno, "lseek");
    const off_t hole = lseek(fd, data, SEEK_HOLE);
    if (hole < 0) return ErrnoStatus(errno, "lseek");
    const uint64_t from = AlignDown(static_cast<uint64_t>(data), kGuestPageSize);
    if (from >= end) break;
    const uint64_t to =
        std::min(end, AlignDown(static_cast<uint64_t>(hole) + kGuestPageSize - 1, kGuestPageSize));
    if (to <= at) break;  // The file changes under us.
    at = to;
    if (!extents.empty()) {
      PrivateFilePages::Extent& last = extents.back();
      if (from - (last.file_offset + last.size) < ShortestGap(region)) {
        last.size = to - last.file_offset;
        continue;
      }
    }
    extents.push_back({.offset = from - file_offset, .size = to - from, .file_offset = from});
  }
  return extents;
}

absl::StatusOr<RestoredMemory> MapMemory(const Snapshot& snapshot, const GuestMemory& memory) {
  RestoredMemory restored;
  for (const GuestMemory::Region& region : memory.regions()) {
    if (region.users_file) continue;
    const std::vector<MemoryMap::Chunk>& chunks = snapshot.memory_map().chunks();
    const auto first = std::find_if(chunks.begin(), chunks.end(),
                                    [&](const auto& chunk) { return chunk.start == region.start; });
    ASSIGN_OR_RETURN(const std::vector<PrivateFilePages::Extent> extents,
                     FindExtents(snapshot.memory_fd(), region, first->file_offset));
    ASSIGN_OR_RETURN(PrivateFilePages pages,
                     PrivateFilePages::Map(memory, region, snapshot.memory_fd(), extents));
    restored.push_back(std::move(pages));
  }
  return restored;
}

absl::Status CopyMemory(const Snapshot& snapshot, const GuestMemory& memory) {
  return ReadChunks(snapshot.memory_map(), snapshot.memory_fd(),
                    [&memory](const MemoryMap::Chunk& chunk, absl::Span<const uint8_t> bytes) {
                      return ForEachDataRun(bytes, [&](uint64_t offset, uint64_t size) {
                        return memory.Write(chunk.start + offset, bytes.subspan(offset, size));
                      });
                    });
}

}  // namespace

absl::StatusOr<Snapshot> Snapshot::Open(const std::string& folder) {
  ASSIGN_OR_RETURN(const ScopedFd machine, OpenIn(folder, kSnapshotMachineFile));
  ASSIGN_OR_RETURN(ScopedFd memory, OpenIn(folder, kSnapshotMemoryFile));
  absl::StatusOr<Snapshot> snapshot = Read(machine.get(), std::move(memory));
  if (!snapshot.ok()) {
    return absl::Status(snapshot.status().code(),
                        absl::StrCat(folder, "/", snapshot.status().message()));
  }
  return snapshot;
}

absl::StatusOr<Snapshot> Snapshot::Read(int machine_fd, ScopedFd memory) {
  const absl::StatusOr<std::string> bytes = ReadAll(machine_fd);
  if (!bytes.ok()) return Annotate(bytes.status(), kSnapshotMachineFile);
  absl::StatusOr<SnapshotSections> sections = DecodeContainer(*bytes);
  if (!sections.ok()) return Annotate(sections.status(), kSnapshotMachineFile);
  const absl::StatusOr<uint64_t> size = CheckFile(memory.get());
  if (!size.ok()) return Annotate(size.status(), kSnapshotMemoryFile);
  absl::StatusOr<MemoryMap> map = MemoryMap::Parse(sections->memory_map, *size);
  if (!map.ok()) return Annotate(map.status(), kSnapshotMachineFile);
  return Snapshot(std::move(sections->machine), *std::move(map), std::move(memory));
}

absl::StatusOr<RestoredMemory> RestoreMemory(const Snapshot& snapshot, const GuestMemory& memory) {
  RETURN_IF_ERROR(snapshot.memory_map().CheckAgainst(memory));
  const bool anonymous =
      std::all_of(memory.regions().begin(), memory.regions().end(),
                  [](const auto& region) { return region.users_file || region.fd < 0; });
  if (anonymous && !snapshot.memory_map().compressed()) return MapMemory(snapshot, memory);
  RETURN_IF_ERROR(CopyMemory(snapshot, memory));
  return RestoredMemory();
}

absl::Status CheckMemory(const Snapshot& snapshot) {
  return ReadChunks(snapshot.memory_map(), snapshot.memory_fd(),
                    [](const auto&, auto) { return absl::OkStatus(); });
}

}  // namespace touchstone
