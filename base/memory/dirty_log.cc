#include "base/memory/dirty_log.h"

#include <errno.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "absl/strings/str_cat.h"
#include "base/checked_math.h"
#include "base/status.h"

namespace touchstone {
namespace {

constexpr uint64_t kPageSize = 4096;
constexpr uint64_t kPagesOfByte = 8;

absl::Status CheckPiece(int fd, uint64_t offset, uint64_t size) {
  struct stat status;
  if (fstat(fd, &status) != 0) return ErrnoStatus(errno, "fstat of a dirty log");
  const char* fault = nullptr;
  if (!S_ISREG(status.st_mode)) {
    fault = "is not in a regular file";
  } else if (size == 0 || size > DirtyLog::kMaxBytes) {
    fault = "has no size that a log has";
  } else if (!IsAligned(offset, kPageSize)) {
    fault = "does not begin with a 4 KiB page of its file";
  } else if (!FitsWithin(offset, size, static_cast<uint64_t>(status.st_size))) {
    fault = "passes the end of its file";
  }
  if (fault == nullptr) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat("a dirty log of ", size, " bytes at ", offset, " ", fault));
}

}  // namespace

absl::StatusOr<std::shared_ptr<const DirtyLog>> DirtyLog::Map(int fd, uint64_t offset,
                                                              uint64_t size) {
  RETURN_IF_ERROR(CheckPiece(fd, offset, size));
  const uint64_t mapped = AlignDown(size + kPageSize - 1, kPageSize);
  void* const host = mmap(nullptr, mapped, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE, fd,
                          static_cast<off_t>(offset));
  if (host == MAP_FAILED) return ErrnoStatus(errno, "mmap of a dirty log");
  absl::StatusOr<TruncationGuard> guard = TruncationGuard::Watch(host, mapped);
  if (!guard.ok()) {
    munmap(host, mapped);
    return guard.status();
  }
  return std::shared_ptr<const DirtyLog>(
      new DirtyLog(static_cast<uint64_t*>(host), mapped, size * kPagesOfByte, *std::move(guard)));
}

DirtyLog::~DirtyLog() {
  // Before others may map something there.
  {
    const TruncationGuard guard = std::move(guard_);
  }
  munmap(words_, mapped_);
}

uint64_t DirtyLog::BytesFor(uint64_t end) {
  constexpr uint64_t kWordCovers = kPageSize * 64;
  return (end / kWordCovers + (end % kWordCovers != 0 ? 1 : 0)) * sizeof(uint64_t);
}

}  // namespace touchstone
