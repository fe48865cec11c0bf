#include "devices/virtio/block/uring_io.h"

#include <errno.h>
#include <string.h>
#include <sys/uio.h>

#include <utility>

#include "base/log.h"
#include "base/status.h"

namespace touchstone {
namespace {

// A length of io_uring's has 32 bits, and no call transfers more than 2 GiB.
constexpr size_t kLongestSingle = size_t{1} << 30;

}  // namespace

absl::StatusOr<std::unique_ptr<UringIo>> UringIo::Create(std::shared_ptr<const DiskFile> file,
                                                         std::shared_ptr<IoThreads> threads,
                                                         uint32_t depth) {
  ASSIGN_OR_RETURN(EventFd completed, EventFd::Create());
  std::unique_ptr<UringIo> io(new UringIo(std::move(file), std::move(threads),
                                          std::make_shared<const EventFd>(std::move(completed))));
  RETURN_IF_ERROR(io->SetUp(depth));
  return io;
}

absl::Status UringIo::SetUp(uint32_t depth) {
  // Completions wait until this thread is in the kernel anyway instead of interrupting it; kernels
  // before 5.19 do not know that.
  int error = io_uring_queue_init(depth, &ring_, IORING_SETUP_COOP_TASKRUN);
  if (error == -EINVAL) error = io_uring_queue_init(depth, &ring_, 0);
  if (error < 0) return ErrnoStatus(-error, "io_uring_setup");
  has_ring_ = true;
  const int fd = file_->fd();
  if (error = io_uring_register_files(&ring_, &fd, 1); error < 0) {
    return ErrnoStatus(-error, "io_uring_register of the file");
  }
  if (error = io_uring_register_eventfd(&ring_, completed_->fd()); error < 0) {
    return ErrnoStatus(-error, "io_uring_register of the eventfd");
  }
  transfers_.resize(depth);
  for (uint32_t slot = depth; slot > 0; --slot) free_.push_back(slot - 1);
  return absl::OkStatus();
}

UringIo::~UringIo() {
  if (!has_ring_) return;
  while (in_ring_ > 0) {
    Enter();
    Harvest();
    if (in_ring_ > 0) Wait();
    completed_->Drain();
  }
  io_uring_queue_exit(&ring_);
}

void UringIo::Add(BlockOperation&& operation) {
  if (operation.kind == BlockOperation::Kind::kDiscard ||
      operation.kind == BlockOperation::Kind::kWriteZeroes) {
    return helper_.Add(std::move(operation));
  }
  if (free_.empty()) {
    backlog_.push_back(std::move(operation));
  } else {
    Start(std::move(operation));
  }
}

void UringIo::Start(BlockOperation&& operation) {
  const uint32_t slot = free_.back();
  free_.pop_back();
  ++in_ring_;
  transfers_[slot].Start(std::move(operation));
  Queue(slot);
}

void UringIo::Queue(uint32_t slot) {
  io_uring_sqe* const entry = io_uring_get_sqe(&ring_);
  // As many entries as slots, and a slot has one at a time.
  CHECK(entry != nullptr);
  const Transfer& transfer = transfers_[slot];
  if (transfer.operation().kind == BlockOperation::Kind::kFlush) {
    io_uring_prep_fsync(entry, 0, IORING_FSYNC_DATASYNC);
  } else {
    const absl::Span<const iovec> slices = transfer.slices();
    const int durable = !transfer.is_read() && transfer.operation().durable ? RWF_DSYNC : 0;
    const int flags = durable | file_->cache_flags();
    const auto count = static_cast<unsigned>(slices.size());
    if (count == 1 && slices[0].iov_len <= kLongestSingle) {
      // Spares the kernel the vector.
      const auto size = static_cast<unsigned>(slices[0].iov_len);
      if (transfer.is_read()) {
        io_uring_prep_read(entry, 0, slices[0].iov_base, size, transfer.offset());
      } else {
        io_uring_prep_write(entry, 0, slices[0].iov_base, size, transfer.offset());
      }
      entry->rw_flags = flags;
    } else if (transfer.is_read()) {
      io_uring_prep_readv2(entry, 0, slices.data(), count, transfer.offset(), flags);
    } else {
      io_uring_prep_writev2(entry, 0, slices.data(), count, transfer.offset(), flags);
    }
  }
  io_uring_sqe_set_flags(entry, IOSQE_FIXED_FILE);
  io_uring_sqe_set_data64(entry, slot);
}

void UringIo::Submit() {
  helper_.Submit();
  // What is done on the way needs no signal: Reap follows.
  io_uring_cq_eventfd_toggle(&ring_, false);
  Enter();
  Harvest();
  io_uring_cq_eventfd_toggle(&ring_, true);
}

void UringIo::Enter() {
  while (io_uring_sq_ready(&ring_) > 0) {
    const int result = io_uring_submit(&ring_);
    if (result >= 0 || result == -EINTR) continue;
    // The kernel is short of memory, or of room for completions: once more after those were taken.
    LOG(kWarning, "block", "io_uring_enter: %s", strerror(-result));
    completed_->Signal();
    return;
  }
}

void UringIo::Harvest() {
  io_uring_cqe* entry = nullptr;
  while (io_uring_peek_cqe(&ring_, &entry) == 0) {
    const auto slot = static_cast<uint32_t>(io_uring_cqe_get_data64(entry));
    const int result = entry->res;
    io_uring_cqe_seen(&ring_, entry);
    Finished(slot, result);
  }
}

void UringIo::Finished(uint32_t slot, int result) {
  Transfer& transfer = transfers_[slot];
  std::optional<int> error;
  if (transfer.operation().kind == BlockOperation::Kind::kFlush) {
    if (result != -EINTR) error = result < 0 ? -result : 0;
    file_->Forget(0, 0);
  } else {
    if (result > 0) file_->Forget(transfer.offset(), static_cast<uint64_t>(result));
    error = transfer.Advance(result);
  }
  if (!error.has_value()) return Queue(slot);
  done_.push_back({.token = transfer.operation().token, .error = *error});
  free_.push_back(slot);
  --in_ring_;
  if (backlog_.empty()) return;
  Start(std::move(backlog_.front()));
  backlog_.pop_front();
}

void UringIo::Reap(std::vector<BlockCompletion>& completions) {
  Harvest();
  // The rest of what came short, and what waited for a slot.
  Enter();
  completions.insert(completions.end(), done_.begin(), done_.end());
  done_.clear();
  helper_.Reap(completions);
}

}  // namespace touchstone
