// An open disk image or block device, and the operations on it as blocking system calls.
//
// Thread-safe: the operations may run on several threads at once.

#ifndef TOUCHSTONE_DEVICES_VIRTIO_BLOCK_DISK_FILE_H_
#define TOUCHSTONE_DEVICES_VIRTIO_BLOCK_DISK_FILE_H_

#include <cstdint>

#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "base/scoped_fd.h"
#include "devices/virtio/block/block_io.h"
#include "devices/virtio/block/transfer.h"

namespace touchstone {

class DiskFile {
 public:
  // Takes an open regular file or block device; anything else is InvalidArgument, and says what it
  // is. Has the process ignore SIGXFSZ, unless it handles that.
  static absl::StatusOr<DiskFile> Create(ScopedFd fd);

  [[nodiscard]] int fd() const { return fd_.get(); }
  [[nodiscard]] uint64_t size() const { return size_; }
  [[nodiscard]] bool block_device() const { return block_device_; }
  // With O_DIRECT: what addresses, and what offsets and lengths, have to be multiples of.
  [[nodiscard]] uint32_t address_alignment() const { return address_alignment_; }
  [[nodiscard]] uint32_t offset_alignment() const { return offset_alignment_; }
  [[nodiscard]] bool direct() const { return direct_; }
  // The file system keeps its files in memory (tmpfs, memfd): there is no disk to wait for.
  [[nodiscard]] bool in_memory() const { return in_memory_; }

  // From now on past the page cache.
  absl::Status SetDirect();

  // From now on the page cache forgets what is read and written here and was not in it before: by
  // the kernel's uncached I/O (RWF_DONTCACHE, Linux 6.14), or else, whatever was there, by advice
  // after each read and flush.
  void SetDontCache();
  // For the flags of a read or write that is not made here.
  [[nodiscard]] int cache_flags() const { return cache_flags_; }
  // To be called after such a one, and with 0, 0 after a flush. Does nothing without SetDontCache.
  void Forget(uint64_t offset, uint64_t size) const;

  // All of them return an errno value, or 0 when all is done.
  [[nodiscard]] int Execute(BlockOperation operation) const;
  // What is left of a read or write.
  [[nodiscard]] int Finish(Transfer& transfer) const;
  [[nodiscard]] int Flush() const;
  // Gives the space back. What the file system or device cannot do is done.
  [[nodiscard]] int Discard(uint64_t offset, uint64_t size) const;
  // Makes it read as zeros, in one way or the other: `may_unmap` prefers a hole, the other keeps
  // the space allocated if the host can.
  [[nodiscard]] int WriteZeroes(uint64_t offset, uint64_t size, bool may_unmap) const;

  // What the page cache has, without waiting: bytes, or -errno.
  [[nodiscard]] int64_t ReadCached(absl::Span<const iovec> slices, uint64_t offset) const;

 private:
  DiskFile(ScopedFd fd, uint64_t size, bool block_device, bool in_memory)
      : fd_(std::move(fd)), size_(size), block_device_(block_device), in_memory_(in_memory) {}

  [[nodiscard]] int Allocate(int mode, uint64_t offset, uint64_t size) const;
  [[nodiscard]] int WriteBuffersOfZeros(uint64_t offset, uint64_t size) const;

  ScopedFd fd_;
  uint64_t size_;
  bool block_device_;
  bool in_memory_;
  bool direct_ = false;
  int cache_flags_ = 0;
  bool advise_ = false;
  uint32_t address_alignment_ = 1;
  uint32_t offset_alignment_ = 1;
};

}  // namespace touchstone

#endif  // TOUCHSTONE_DEVICES_VIRTIO_BLOCK_DISK_FILE_H_
