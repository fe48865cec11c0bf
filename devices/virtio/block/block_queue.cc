#include "devices/virtio/block/block_queue.h"

#include <errno.h>
#include <string.h>

#include <algorithm>
#include <string>
#include <utility>

#include "base/checked_math.h"
#include "base/log.h"

namespace touchstone {
namespace {

// Writes the status, the last byte of the writable buffers, and gives the chain back. What the
// driver did not get is left as it is.
void Complete(WritableChain chain, BlockStatus status) {
  if (chain.writable() > 0) {
    chain.Skip(chain.writable() - 1).IgnoreError();
    chain.WriteObject(status).IgnoreError();
  }
  std::move(chain).Complete();
}

void CompleteWithId(WritableChain chain, const std::string& id) {
  uint8_t bytes[kBlockIdSize] = {};
  memcpy(bytes, id.data(), std::min(id.size(), kBlockIdSize));
  const uint64_t room = std::min<uint64_t>(chain.writable() - 1, kBlockIdSize);
  const bool written = chain.Write(absl::MakeConstSpan(bytes, room)).ok();
  Complete(std::move(chain), written ? BlockStatus::kOk : BlockStatus::kIoError);
}

bool IsWrite(BlockRequestType type) {
  return type == BlockRequestType::kOut || type == BlockRequestType::kWriteZeroes ||
         type == BlockRequestType::kDiscard;
}

void Count(std::atomic<uint64_t>& counter) { counter.fetch_add(1, std::memory_order_relaxed); }

}  // namespace

BlockQueue::BlockQueue(const BlockDisk& disk, const std::atomic<uint64_t>& sectors,
                       BlockStats& stats, EventLoop& loop, MakeIo make_io,
                       std::function<void()> completed)
    : disk_(disk),
      sectors_(sectors),
      stats_(stats),
      loop_(loop),
      make_io_(std::move(make_io)),
      completed_(std::move(completed)) {}

BlockQueue::~BlockQueue() { Drain(); }

void BlockQueue::Handle(ReadableChain chain, bool durable) {
  BlockRequest request;
  // Once: all parts of a request are checked against the same disk.
  const uint64_t sectors = sectors_.load(std::memory_order_acquire);  // Pairs with Block::Resize.
  BlockStatus status = ParseBlockRequest(disk_, sectors, chain, request);
  Count(stats_.requests);
  if (status == BlockStatus::kIoError) Count(stats_.refused);
  if (status == BlockStatus::kUnsupported) Count(stats_.unsupported);
  if (status == BlockStatus::kOk && !HaveIo()) {
    Count(stats_.failed);
    status = BlockStatus::kIoError;
  }
  if (status != BlockStatus::kOk) {
    return Complete(std::move(chain).IntoWritable(), status);
  }
  switch (request.type) {
    case BlockRequestType::kGetId:
      return CompleteWithId(std::move(chain).IntoWritable(), disk_.id);
    case BlockRequestType::kIn:
    case BlockRequestType::kOut:
      if (request.size > 0) return Transfer(std::move(chain), request, durable);
      break;
    case BlockRequestType::kFlush:
      return Reserve(std::move(chain), request, durable);
    // A discard is advice: without sparse files, or for no sectors, nothing is to be done.
    case BlockRequestType::kDiscard:
      if (disk_.sparse && !request.ranges.empty()) {
        return Reserve(std::move(chain), request, durable);
      }
      break;
    case BlockRequestType::kWriteZeroes:
      if (!request.ranges.empty()) return Reserve(std::move(chain), request, durable);
      break;
  }
  Complete(std::move(chain).IntoWritable(), BlockStatus::kOk);
}

bool BlockQueue::MakeReady() {
  if (io_ == nullptr) {
    absl::StatusOr<std::unique_ptr<BlockIo>> made = make_io_();
    if (!made.ok()) {
      LOG(kError, "block", "%s", made.status().message());
      return false;
    }
    io_ = *std::move(made);
  }
  if (!completed_watch_.active()) {
    completed_watch_ = loop_.OnReadable(io_->completed().fd(), [this] {
      io_->completed().Drain();
      if (std::exchange(flush_due_, false)) {
        flush_timer_.Reset();
        Add({.kind = BlockOperation::Kind::kFlush, .token = kOwnFlush});
      }
      Reap();
      completed_();
    });
  }
  return true;
}

uint32_t BlockQueue::TakeSlot() {
  if (free_.empty()) {
    // As many as there are chains in flight, so never more than the queue has entries.
    requests_.emplace_back();
    return static_cast<uint32_t>(requests_.size() - 1);
  }
  const uint32_t token = free_.back();
  free_.pop_back();
  return token;
}

WritableChain BlockQueue::FreeSlot(uint32_t token) {
  Request& request = requests_[token];
  WritableChain chain = request.chain.has_value() ? *std::move(request.chain)
                                                  : std::move(*request.source).IntoWritable();
  request.chain.reset();
  request.source.reset();
  request.error = 0;
  free_.push_back(token);
  return chain;
}

bool BlockQueue::Aligned(const GuestMemory::SliceList& slices) const {
  if (disk_.address_alignment == 1 && disk_.length_alignment == 1) return true;
  return std::all_of(slices.begin(), slices.end(), [this](const iovec& slice) {
    return IsAligned<uint64_t>(reinterpret_cast<uintptr_t>(slice.iov_base),
                               disk_.address_alignment) &&
           IsAligned<uint64_t>(slice.iov_len, disk_.length_alignment);
  });
}

void BlockQueue::Transfer(ReadableChain chain, const BlockRequest& parsed, bool durable) {
  const bool write = parsed.type == BlockRequestType::kOut;
  BlockOperation operation = {
      .kind = write ? BlockOperation::Kind::kWrite : BlockOperation::Kind::kRead,
      .durable = durable && write,
      .offset = parsed.offset,
      .size = parsed.size};
  std::optional<WritableChain> writable;
  if (!write) writable.emplace(std::move(chain).IntoWritable());
  const absl::Status found = write ? chain.AppendSlices(parsed.size, operation.slices)
                                   : writable->AppendSlices(parsed.size, operation.slices);
  if (!found.ok()) {
    Count(stats_.refused);
    return Complete(write ? std::move(chain).IntoWritable() : *std::move(writable),
                    BlockStatus::kIoError);
  }
  const bool aligned = Aligned(operation.slices);
  operation.token = TakeSlot();
  Request& request = requests_[operation.token];
  request.type = parsed.type;
  request.durable = operation.durable;
  request.offset = parsed.offset;
  request.left = parsed.size;
  if (!write) {
    request.chain.emplace(*std::move(writable));
  } else if (aligned) {
    request.chain.emplace(std::move(chain).IntoWritable());
  } else {
    request.source.emplace(std::move(chain));
  }
  if (!aligned) {
    Count(stats_.bounced);
    return StartBounce(operation.token);
  }
  Add(std::move(operation));
}

void BlockQueue::Reserve(ReadableChain chain, const BlockRequest& parsed, bool durable) {
  const uint32_t token = TakeSlot();
  Request& request = requests_[token];
  request.type = parsed.type;
  request.chain.emplace(std::move(chain).IntoWritable());
  request.durable = durable;
  if (parsed.type == BlockRequestType::kFlush) {
    flush_timer_.Reset();
    return Add({.kind = BlockOperation::Kind::kFlush, .token = token});
  }
  AddRanges(token, parsed);
}

void BlockQueue::AddRanges(uint32_t token, const BlockRequest& parsed) {
  const bool zeroes = parsed.type == BlockRequestType::kWriteZeroes;
  for (const BlockRequest::Range& range : parsed.ranges) {
    Add({.kind = zeroes ? BlockOperation::Kind::kWriteZeroes : BlockOperation::Kind::kDiscard,
         .durable = requests_[token].durable,
         .may_unmap = range.may_unmap && disk_.sparse,
         .token = token,
         .offset = range.offset,
         .size = range.size});
  }
}

void BlockQueue::StartBounce(uint32_t token) {
  requests_[token].bounce = bounces_.Take();
  if (requests_[token].bounce == nullptr) return waiting_.push_back(token);
  NextPiece(token);
}

void BlockQueue::NextPiece(uint32_t token) {
  Request& request = requests_[token];
  const auto size = static_cast<size_t>(std::min<uint64_t>(request.left, BounceBuffers::kSize));
  uint8_t* const memory = request.bounce.get();
  const bool write = request.type == BlockRequestType::kOut;
  if (write && !request.source->Read(absl::MakeSpan(memory, size)).ok()) {
    // Not reached: Slices found all of it in guest memory.
    request.error = EFAULT;
    return Answer(token);
  }
  Add({.kind = write ? BlockOperation::Kind::kWrite : BlockOperation::Kind::kRead,
       .durable = request.durable,
       .token = token,
       .offset = request.offset,
       .size = size,
       .slices = {iovec{memory, size}}});
}

void BlockQueue::Add(BlockOperation&& operation) {
  if (operation.token != kOwnFlush) ++requests_[operation.token].operations;
  ++in_flight_;
  added_ = true;
  io_->Add(std::move(operation));
}

void BlockQueue::Submit() {
  if (added_) Reap();
}

void BlockQueue::Reap() {
  do {
    if (std::exchange(added_, false)) io_->Submit();
    completions_.clear();
    io_->Reap(completions_);
    for (const BlockCompletion& completion : completions_) Finished(completion);
  } while (added_);
}

void BlockQueue::Finished(const BlockCompletion& completion) {
  --in_flight_;
  if (completion.token == kOwnFlush) {
    if (completion.error != 0) {
      LOG(kError, "block", "flush of a disk: %s", strerror(completion.error));
    }
    return;
  }
  Request& request = requests_[completion.token];
  --request.operations;
  if (request.error == 0) request.error = completion.error;
  if (request.operations > 0) return;
  if (request.bounce != nullptr && request.error == 0 && PieceDone(request)) {
    return NextPiece(completion.token);
  }
  Answer(completion.token);
}

bool BlockQueue::PieceDone(Request& request) {
  const auto size = static_cast<size_t>(std::min<uint64_t>(request.left, BounceBuffers::kSize));
  if (request.type == BlockRequestType::kIn &&
      !request.chain->Write(absl::MakeConstSpan(request.bounce.get(), size)).ok()) {
    request.error = EFAULT;
    return false;
  }
  request.offset += size;
  request.left -= size;
  return request.left > 0;
}

void BlockQueue::Answer(uint32_t token) {
  Request& request = requests_[token];
  const BlockRequestType type = request.type;
  const int error = request.error;
  const uint64_t left = request.left;
  BounceBuffers::Buffer bounce = std::move(request.bounce);
  if (error != 0) {
    Count(stats_.failed);
    LOG(kWarning, "block", "request of type %d: %s", static_cast<uint32_t>(type), strerror(error));
  }
  if (IsWrite(type) && !request.durable) Wrote();
  WritableChain chain = FreeSlot(token);
  if (type == BlockRequestType::kIn && bounce == nullptr) {
    // The disk stored into the buffers, or into a part of them before it failed.
    absl::Status stored = error == 0 ? chain.Commit(left) : chain.SkipTouched(left);
    stored.IgnoreError();
  }
  Complete(std::move(chain), error == 0 ? BlockStatus::kOk : BlockStatus::kIoError);
  if (bounce == nullptr) return;
  bounces_.Return(std::move(bounce));
  if (waiting_.empty()) return;
  const uint32_t next = waiting_.front();
  waiting_.pop_front();
  StartBounce(next);
}

void BlockQueue::Wrote() {
  if (flush_timer_.active()) return;
  // Leaves the rest to the watch of completions: nothing but Drain may touch the timer meanwhile.
  flush_timer_ = loop_.After(kFlushDelay, [this] {
    flush_due_ = true;
    io_->completed().Signal();
  });
}

void BlockQueue::Drain() {
  completed_watch_.Reset();
  flush_timer_.Reset();
  flush_due_ = false;
  Settle();
}

void BlockQueue::Settle() {
  while (in_flight_ > 0) {
    Reap();
    if (in_flight_ == 0) break;
    io_->Wait();
    io_->completed().Drain();
  }
  // Its signal may be what was drained.
  if (flush_due_) io_->completed().Signal();
}

}  // namespace touchstone
