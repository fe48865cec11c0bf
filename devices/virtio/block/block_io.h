// What carries out the operations of one queue of a block device: io_uring, threads, or a fake.
//
//   io.Add({.kind = BlockOperation::Kind::kRead, .token = 7, .offset = 0, .size = 512, .slices =
//   ...}); io.Submit();             // One system call for all that was added.
//   io.Reap(completions);    // What was done at once.
//   ...                      // io.completed() becomes readable: Drain it, Reap again.
//
// Operations may run at the same time and finish in any order. Threads: thread-compatible.

#ifndef TOUCHSTONE_DEVICES_VIRTIO_BLOCK_BLOCK_IO_H_
#define TOUCHSTONE_DEVICES_VIRTIO_BLOCK_BLOCK_IO_H_

#include <cstdint>
#include <vector>

#include "base/event_fd.h"
#include "base/memory/guest_memory.h"

namespace touchstone {

struct BlockOperation {
  enum class Kind : uint8_t { kRead, kWrite, kFlush, kDiscard, kWriteZeroes };

  Kind kind = Kind::kRead;
  // Of kinds that write: done when the data would survive a power cut.
  bool durable = false;
  // Of kWriteZeroes: the space may be given back.
  bool may_unmap = false;
  // Comes back with the completion.
  uint32_t token = 0;
  // What it is about, in bytes; not for kFlush.
  uint64_t offset = 0;
  uint64_t size = 0;
  // Of kRead and kWrite: `size` bytes, borrowed until the operation is done.
  GuestMemory::SliceList slices;
};

struct BlockCompletion {
  uint32_t token = 0;
  int error = 0;  // An errno value, or 0: all of it was done.
};

class BlockIo {
 public:
  // Waits for operations in flight.
  virtual ~BlockIo() = default;

  // Takes an operation, which starts no later than at Submit.
  virtual void Add(BlockOperation&& operation) = 0;
  // Starts what was added. Reap follows: for what is done at once there may be no signal.
  virtual void Submit() = 0;
  // Appends what finished since the last call. Never blocks.
  virtual void Reap(std::vector<BlockCompletion>& completions) = 0;
  // Waits until there is something to reap, or for no reason. REQUIRES: an operation is in flight
  // and was submitted, and nobody else waits for completed().
  virtual void Wait() = 0;
  // Signalled when operations finish.
  [[nodiscard]] virtual const EventFd& completed() const = 0;
};

}  // namespace touchstone

#endif  // TOUCHSTONE_DEVICES_VIRTIO_BLOCK_BLOCK_IO_H_
