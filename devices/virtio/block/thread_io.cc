#include "devices/virtio/block/thread_io.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>

#include <utility>

namespace touchstone {
namespace {

// Takes about as long to copy as a thread to wake up.
constexpr uint64_t kShort = 64 * 1024;

bool IsShort(const BlockOperation& operation) {
  switch (operation.kind) {
    case BlockOperation::Kind::kRead:
    case BlockOperation::Kind::kWrite:
      return operation.size <= kShort;
    case BlockOperation::Kind::kFlush:
      return true;
    case BlockOperation::Kind::kDiscard:
    case BlockOperation::Kind::kWriteZeroes:
      return false;
  }
  return false;
}

}  // namespace

ThreadIo::ThreadIo(std::shared_ptr<const DiskFile> file, std::shared_ptr<IoThreads> threads,
                   std::shared_ptr<const EventFd> completed)
    : file_(std::move(file)),
      threads_(std::move(threads)),
      completed_(std::move(completed)),
      // Past the page cache a read waits for the disk whatever it is told.
      read_at_once_(!file_->direct()) {}

ThreadIo::~ThreadIo() {
  MutexLock lock(mutex_);
  while (running_ > 0) finished_.Wait(mutex_);
}

void ThreadIo::Add(BlockOperation&& operation) {
  ++in_flight_;
  if (ExecuteAtOnce(operation)) return;
  added_.push_back(std::move(operation));
}

bool ThreadIo::ExecuteAtOnce(BlockOperation& operation) {
  if (file_->in_memory() && IsShort(operation)) {
    const uint32_t token = operation.token;
    at_once_.push_back({.token = token, .error = file_->Execute(std::move(operation))});
    return true;
  }
  return operation.kind == BlockOperation::Kind::kRead && read_at_once_ && ReadAtOnce(operation);
}

bool ThreadIo::ReadAtOnce(BlockOperation& operation) {
  const uint32_t token = operation.token;
  const int64_t result = file_->ReadCached(
      absl::MakeConstSpan(operation.slices).subspan(0, IOV_MAX), operation.offset);
  // Mostly.
  if (result > 0 && static_cast<uint64_t>(result) == operation.size) {
    at_once_.push_back({.token = token, .error = 0});
    return true;
  }
  // File systems that cannot tell would refuse each time.
  if (result == -EOPNOTSUPP || result == -ENOSYS || result == -EINVAL) read_at_once_ = false;
  // What is not an error of the disk for sure, the threads find out.
  if (result > 0) {
    Transfer transfer(std::move(operation));
    const std::optional<int> error = transfer.Advance(result);
    if (error.has_value()) {
      at_once_.push_back({.token = token, .error = *error});
      return true;
    }
    operation = std::move(transfer).TakeRest();
  }
  return false;
}

void ThreadIo::Submit() {
  if (added_.empty()) return;
  {
    MutexLock lock(mutex_);
    running_ += added_.size();
  }
  threads_->Run(*this, added_);
}

void ThreadIo::Execute(BlockOperation operation) {
  const uint32_t token = operation.token;
  const int error = file_->Execute(std::move(operation));
  // Nothing of this object is touched after the lock is released: it may be gone.
  MutexLock lock(mutex_);
  done_.push_back({.token = token, .error = error});
  // What is there already was signalled.
  if (done_.size() == 1) completed_->Signal();
  if (--running_ == 0) finished_.SignalAll();
}

void ThreadIo::Reap(std::vector<BlockCompletion>& completions) {
  const size_t before = completions.size();
  completions.insert(completions.end(), at_once_.begin(), at_once_.end());
  at_once_.clear();
  {
    MutexLock lock(mutex_);
    completions.insert(completions.end(), done_.begin(), done_.end());
    done_.clear();
  }
  in_flight_ -= completions.size() - before;
}

void ThreadIo::Wait() {
  pollfd wanted = {.fd = completed_->fd(), .events = POLLIN, .revents = 0};
  poll(&wanted, 1, -1);
}

}  // namespace touchstone
