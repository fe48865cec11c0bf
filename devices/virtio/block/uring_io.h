// A BlockIo of an io_uring: a batch is one system call, and so is none of its completions.
//
// Reads, writes and flushes go through the ring. Discards and zeroes are left to threads, as the
// ways to do them differ between files and devices and the ring knows few of them.
//
// Thread-compatible, as BlockIo is.

#ifndef TOUCHSTONE_DEVICES_VIRTIO_BLOCK_URING_IO_H_
#define TOUCHSTONE_DEVICES_VIRTIO_BLOCK_URING_IO_H_

#include <liburing.h>

#include <cstdint>
#include <deque>
#include <memory>
#include <vector>

#include "absl/status/statusor.h"
#include "base/event_fd.h"
#include "devices/virtio/block/block_io.h"
#include "devices/virtio/block/disk_file.h"
#include "devices/virtio/block/io_threads.h"
#include "devices/virtio/block/thread_io.h"
#include "devices/virtio/block/transfer.h"

namespace touchstone {

class UringIo final : public BlockIo {
 public:
  // `depth`: reads, writes and flushes that the kernel has at a time; others wait their turn. An
  // error names the call that the host refused.
  static absl::StatusOr<std::unique_ptr<UringIo>> Create(std::shared_ptr<const DiskFile> file,
                                                         std::shared_ptr<IoThreads> threads,
                                                         uint32_t depth);
  ~UringIo() override;

  void Add(BlockOperation&& operation) override;
  void Submit() override;
  void Reap(std::vector<BlockCompletion>& completions) override;
  void Wait() override { helper_.Wait(); }
  [[nodiscard]] const EventFd& completed() const override { return *completed_; }

 private:
  UringIo(std::shared_ptr<const DiskFile> file, std::shared_ptr<IoThreads> threads,
          std::shared_ptr<const EventFd> completed)
      : file_(file), completed_(completed), helper_(file, std::move(threads), completed) {}

  absl::Status SetUp(uint32_t depth);
  // REQUIRES: a slot is free.
  void Start(BlockOperation&& operation);
  // Puts what is left of a transfer into the ring.
  void Queue(uint32_t slot);
  void Enter();
  void Harvest();
  void Finished(uint32_t slot, int result);

  const std::shared_ptr<const DiskFile> file_;
  const std::shared_ptr<const EventFd> completed_;
  ThreadIo helper_;
  io_uring ring_ = {};
  bool has_ring_ = false;
  std::vector<Transfer> transfers_;  // By slot, the user data in the ring.
  std::vector<uint32_t> free_;
  uint32_t in_ring_ = 0;                // Slots in use.
  std::deque<BlockOperation> backlog_;  // Empty while a slot is free.
  std::vector<BlockCompletion> done_;
};

}  // namespace touchstone

#endif  // TOUCHSTONE_DEVICES_VIRTIO_BLOCK_URING_IO_H_
