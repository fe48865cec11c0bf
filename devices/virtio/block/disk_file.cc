#include "devices/virtio/block/disk_file.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <linux/magic.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/uio.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <algorithm>
#include <bit>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/status.h"

namespace touchstone {
namespace {

// What O_DIRECT wants where nobody says: more than any disk has in use.
constexpr uint32_t kUnknownAddressAlignment = 4096;
constexpr uint32_t kUnknownOffsetAlignment = 512;

// RWF_DONTCACHE, which older headers lack.
constexpr int kDontCache = 0x80;

constexpr size_t kZerosSize = size_t{64} * 1024;
// Only read; not const, so that it takes no room in the program's file.
alignas(4096) uint8_t g_zeros[kZerosSize];

const char* KindOf(mode_t mode) {
  if (S_ISDIR(mode)) return "a directory";
  if (S_ISCHR(mode)) return "a character device";
  if (S_ISFIFO(mode)) return "a pipe";
  if (S_ISSOCK(mode)) return "a socket";
  return "no file";
}

bool IsUnsupported(int error) { return error == EOPNOTSUPP || error == ENOSYS || error == ENOTTY; }

bool IsInMemory(int fd) {
  struct statfs file_system;
  return fstatfs(fd, &file_system) == 0 &&
         (file_system.f_type == TMPFS_MAGIC || file_system.f_type == RAMFS_MAGIC);
}

// A write beyond RLIMIT_FSIZE shall be an error of the disk (EFBIG) and not the end of the process.
void IgnoreFileSizeSignal() {
  struct sigaction action = {};
  if (sigaction(SIGXFSZ, nullptr, &action) != 0 || action.sa_handler != SIG_DFL) return;
  action.sa_handler = SIG_IGN;
  sigaction(SIGXFSZ, &action, nullptr);
}

}  // namespace

absl::StatusOr<DiskFile> DiskFile::Create(ScopedFd fd) {
  IgnoreFileSizeSignal();
  struct stat status;
  if (fstat(fd.get(), &status) != 0) return ErrnoStatus(errno, "fstat");
  if (S_ISREG(status.st_mode)) {
    const bool in_memory = IsInMemory(fd.get());
    return DiskFile(std::move(fd), static_cast<uint64_t>(status.st_size), false, in_memory);
  }
  if (!S_ISBLK(status.st_mode)) {
    return absl::InvalidArgumentError(
        absl::StrCat("is ", KindOf(status.st_mode), ", not a regular file or a block device"));
  }
  uint64_t size = 0;
  if (ioctl(fd.get(), BLKGETSIZE64, &size) != 0) return ErrnoStatus(errno, "ioctl BLKGETSIZE64");
  return DiskFile(std::move(fd), size, true, false);
}

absl::Status DiskFile::SetDirect() {
  const int flags = fcntl(fd_.get(), F_GETFL);
  if (flags < 0 || fcntl(fd_.get(), F_SETFL, flags | O_DIRECT) != 0) {
    return ErrnoStatus(errno, "O_DIRECT");
  }
  direct_ = true;
  address_alignment_ = kUnknownAddressAlignment;
  offset_alignment_ = kUnknownOffsetAlignment;
#ifdef STATX_DIOALIGN
  struct statx extended = {};
  if (statx(fd_.get(), "", AT_EMPTY_PATH, STATX_DIOALIGN, &extended) == 0 &&
      (extended.stx_mask & STATX_DIOALIGN) != 0 &&
      std::has_single_bit(extended.stx_dio_mem_align) &&
      std::has_single_bit(extended.stx_dio_offset_align)) {
    address_alignment_ = extended.stx_dio_mem_align;
    offset_alignment_ = extended.stx_dio_offset_align;
    return absl::OkStatus();
  }
#endif
  int sector = 0;
  if (block_device_ && ioctl(fd_.get(), BLKSSZGET, &sector) == 0 && sector > 0) {
    offset_alignment_ = static_cast<uint32_t>(sector);
  }
  return absl::OkStatus();
}

void DiskFile::SetDontCache() {
  char byte;
  iovec slice = {.iov_base = &byte, .iov_len = 1};
  const bool known = preadv2(fd_.get(), &slice, 1, 0, kDontCache) >= 0;
  cache_flags_ = known ? kDontCache : 0;
  advise_ = !known;
}

void DiskFile::Forget(uint64_t offset, uint64_t size) const {
  if (!advise_) return;
  // Pages that are not on the disk yet stay until a flush.
  posix_fadvise(fd_.get(), static_cast<off_t>(offset), static_cast<off_t>(size),
                POSIX_FADV_DONTNEED);
}

int DiskFile::Execute(BlockOperation operation) const {
  switch (operation.kind) {
    case BlockOperation::Kind::kRead:
    case BlockOperation::Kind::kWrite: {
      Transfer transfer(std::move(operation));
      return Finish(transfer);
    }
    case BlockOperation::Kind::kFlush:
      return Flush();
    case BlockOperation::Kind::kDiscard:
      return Discard(operation.offset, operation.size);
    case BlockOperation::Kind::kWriteZeroes: {
      const int error = WriteZeroes(operation.offset, operation.size, operation.may_unmap);
      return error == 0 && operation.durable ? Flush() : error;
    }
  }
  return EINVAL;
}

int DiskFile::Finish(Transfer& transfer) const {
  std::optional<int> error;
  const uint64_t start = transfer.offset(), size = transfer.operation().size;
  do {
    const absl::Span<const iovec> slices = transfer.slices();
    const auto offset = static_cast<off_t>(transfer.offset());
    const auto count = static_cast<int>(slices.size());
    const int durable = transfer.operation().durable ? RWF_DSYNC : 0;
    const ssize_t result =
        transfer.is_read()
            ? preadv2(fd_.get(), slices.data(), count, offset, cache_flags_)
            : pwritev2(fd_.get(), slices.data(), count, offset, durable | cache_flags_);
    error = transfer.Advance(result < 0 ? -errno : result);
  } while (!error.has_value());
  Forget(start, size);
  return *error;
}

int64_t DiskFile::ReadCached(absl::Span<const iovec> slices, uint64_t offset) const {
  const ssize_t result = preadv2(fd_.get(), slices.data(), static_cast<int>(slices.size()),
                                 static_cast<off_t>(offset), RWF_NOWAIT | cache_flags_);
  if (result > 0) Forget(offset, static_cast<uint64_t>(result));
  return result < 0 ? -errno : result;
}

int DiskFile::Flush() const {
  int result;
  do {
    result = fdatasync(fd_.get());
  } while (result != 0 && errno == EINTR);
  Forget(0, 0);  // all of it
  return result == 0 ? 0 : errno;
}

int DiskFile::Allocate(int mode, uint64_t offset, uint64_t size) const {
  int result;
  do {
    result = fallocate(fd_.get(), mode | FALLOC_FL_KEEP_SIZE, static_cast<off_t>(offset),
                       static_cast<off_t>(size));
  } while (result != 0 && errno == EINTR);
  return result == 0 ? 0 : errno;
}

int DiskFile::Discard(uint64_t offset, uint64_t size) const {
  int error;
  if (block_device_) {
    uint64_t range[2] = {offset, size};
    error = ioctl(fd_.get(), BLKDISCARD, range) == 0 ? 0 : errno;
    // Less than the device's own sectors is EINVAL: nothing to give back.
    if (error == EINVAL) error = 0;
  } else {
    error = Allocate(FALLOC_FL_PUNCH_HOLE, offset, size);
  }
  return IsUnsupported(error) ? 0 : error;
}

int DiskFile::WriteZeroes(uint64_t offset, uint64_t size, bool may_unmap) const {
  // Each of these leaves zeros, on block devices too; they differ in what becomes of the space.
  const int preferred = may_unmap ? FALLOC_FL_PUNCH_HOLE : FALLOC_FL_ZERO_RANGE;
  const int other = may_unmap ? FALLOC_FL_ZERO_RANGE : FALLOC_FL_PUNCH_HOLE;
  int error = Allocate(preferred, offset, size);
  if (error == 0) return 0;
  if (block_device_) {
    uint64_t range[2] = {offset, size};
    if (ioctl(fd_.get(), BLKZEROOUT, range) == 0) return 0;
  } else if (IsUnsupported(error)) {
    error = Allocate(other, offset, size);
    if (error == 0) return 0;
  }
  if (!IsUnsupported(error) && !(block_device_ && error == EINVAL)) return error;
  return WriteBuffersOfZeros(offset, size);
}

int DiskFile::WriteBuffersOfZeros(uint64_t offset, uint64_t size) const {
  while (size > 0) {
    BlockOperation operation = {.kind = BlockOperation::Kind::kWrite, .offset = offset};
    while (operation.size < size && operation.slices.size() < 16) {
      const size_t piece = std::min<uint64_t>(size - operation.size, kZerosSize);
      operation.slices.push_back({g_zeros, piece});
      operation.size += piece;
    }
    offset += operation.size;
    size -= operation.size;
    Transfer transfer(std::move(operation));
    if (const int error = Finish(transfer); error != 0) return error;
  }
  return 0;
}

}  // namespace touchstone
