// Threads that carry out operations on disks by blocking in them.
//
// Threads are started when operations wait and all others are busy, up to a limit; they inherit the
// signal mask of the thread whose Run found them missing. Thread-safe.

#ifndef TOUCHSTONE_DEVICES_VIRTIO_BLOCK_IO_THREADS_H_
#define TOUCHSTONE_DEVICES_VIRTIO_BLOCK_IO_THREADS_H_

#include <deque>
#include <thread>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "base/mutex.h"
#include "devices/virtio/block/block_io.h"

namespace touchstone {

class IoThreads {
 public:
  class Client {
   public:
    virtual ~Client() = default;
    // On one of the threads.
    virtual void Execute(BlockOperation operation) = 0;
  };

  // REQUIRES: limit >= 1.
  explicit IoThreads(size_t limit) : limit_(limit) {}
  // REQUIRES: nothing is waiting or running.
  ~IoThreads();
  IoThreads(const IoThreads&) = delete;
  IoThreads& operator=(const IoThreads&) = delete;

  // Has each of these executed, and leaves `operations` empty. `client` lives until then.
  void Run(Client& client, std::vector<BlockOperation>& operations) ABSL_LOCKS_EXCLUDED(mutex_);

 private:
  struct Job {
    Client* client;
    BlockOperation operation;
  };

  void Loop() ABSL_LOCKS_EXCLUDED(mutex_);

  const size_t limit_;
  Mutex mutex_;
  CondVar more_;
  std::deque<Job> jobs_ ABSL_GUARDED_BY(mutex_);
  size_t idle_ ABSL_GUARDED_BY(mutex_) = 0;
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
  std::vector<std::thread> threads_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace touchstone

#endif  // TOUCHSTONE_DEVICES_VIRTIO_BLOCK_IO_THREADS_H_
