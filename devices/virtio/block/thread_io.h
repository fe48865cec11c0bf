// A BlockIo of threads that block: for hosts without io_uring, and for what io_uring cannot do.
//
// What the page cache has is read at once, on the caller's thread, and so is all that is short in a
// file that is kept in memory. Thread-compatible, as BlockIo
// is.

#ifndef TOUCHSTONE_DEVICES_VIRTIO_BLOCK_THREAD_IO_H_
#define TOUCHSTONE_DEVICES_VIRTIO_BLOCK_THREAD_IO_H_

#include <cstddef>
#include <memory>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "base/event_fd.h"
#include "base/mutex.h"
#include "devices/virtio/block/block_io.h"
#include "devices/virtio/block/disk_file.h"
#include "devices/virtio/block/io_threads.h"

namespace touchstone {

class ThreadIo final : public BlockIo, private IoThreads::Client {
 public:
  ThreadIo(std::shared_ptr<const DiskFile> file, std::shared_ptr<IoThreads> threads,
           std::shared_ptr<const EventFd> completed);
  ~ThreadIo() override;

  void Add(BlockOperation&& operation) override;
  void Submit() override;
  void Reap(std::vector<BlockCompletion>& completions) override ABSL_LOCKS_EXCLUDED(mutex_);
  void Wait() override;
  [[nodiscard]] const EventFd& completed() const override { return *completed_; }

  // Operations that were added and not reaped.
  [[nodiscard]] size_t in_flight() const { return in_flight_; }

 private:
  // Both return true when there is nothing left to do.
  bool ExecuteAtOnce(BlockOperation& operation);
  bool ReadAtOnce(BlockOperation& operation);
  void Execute(BlockOperation operation) override ABSL_LOCKS_EXCLUDED(mutex_);

  const std::shared_ptr<const DiskFile> file_;
  const std::shared_ptr<IoThreads> threads_;
  const std::shared_ptr<const EventFd> completed_;
  bool read_at_once_;
  size_t in_flight_ = 0;
  std::vector<BlockOperation> added_;
  std::vector<BlockCompletion> at_once_;
  Mutex mutex_;
  CondVar finished_;
  std::vector<BlockCompletion> done_ ABSL_GUARDED_BY(mutex_);
  size_t running_ ABSL_GUARDED_BY(mutex_) = 0;  // With the threads, and not in done_.
};

}  // namespace touchstone

#endif  // TOUCHSTONE_DEVICES_VIRTIO_BLOCK_THREAD_IO_H_
