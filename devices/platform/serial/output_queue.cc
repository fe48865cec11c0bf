#include "devices/platform/serial/output_queue.h"

#include <poll.h>

#include <algorithm>
#include <utility>

#include "base/log.h"

namespace touchstone {

OutputQueue::OutputQueue(EventLoop& loop, Clock& clock, std::unique_ptr<ByteSink> sink,
                         std::string name)
    : loop_(loop), clock_(clock), name_(std::move(name)), sink_(std::move(sink)) {}

OutputQueue::~OutputQueue() {
  Flush();
  MutexLock lock(mutex_);
  timer_.Reset();
  writable_.Reset();
  sink_->Finish();
  dropped_ += size_;
  if (dropped_ > 0) {
    LOG(kWarning, "serial", "%s: %d bytes of output were dropped", name_, dropped_);
  }
}

bool OutputQueue::Write(absl::Span<const uint8_t> bytes) {
  MutexLock lock(mutex_);
  if (state_ == ByteSink::State::kGone) {
    dropped_ += bytes.size();
    return true;
  }
  const bool at_once = Quiet();
  Append(bytes);
  if ((at_once || size_ >= kInlineSize) && state_ == ByteSink::State::kOpen) Drain();
  Schedule();
  return !congested_;
}

bool OutputQueue::Ready() {
  MutexLock lock(mutex_);
  return !congested_;
}

size_t OutputQueue::Room() {
  MutexLock lock(mutex_);
  if (congested_) return 0;
  // Without a consumer the oldest bytes make room.
  return state_ == ByteSink::State::kAbsent ? kCapacity : room();
}

void OutputQueue::OnReady(EventLoop::Callback callback) {
  MutexLock lock(mutex_);
  on_ready_ =
      callback == nullptr ? nullptr : std::make_shared<EventLoop::Callback>(std::move(callback));
}

void OutputQueue::Flush() {
  MutexLock lock(mutex_);
  const absl::Time deadline = absl::Now() + kPatience;
  Drain();
  while (size_ > 0 && state_ == ByteSink::State::kFull) {
    const int64_t left = absl::ToInt64Milliseconds(deadline - absl::Now());
    pollfd writable{.fd = sink_->fd(), .events = POLLOUT, .revents = 0};
    if (left <= 0 || poll(&writable, 1, static_cast<int>(left)) == 0) break;
    Drain();
  }
  Schedule();
}

uint64_t OutputQueue::dropped() const {
  MutexLock lock(mutex_);
  return dropped_;
}

void OutputQueue::Append(absl::Span<const uint8_t> bytes) {
  if (ring_ == nullptr) ring_ = std::make_unique_for_overwrite<uint8_t[]>(kCapacity);
  if (size_ == 0) first_ = 0;
  if (bytes.size() > room()) {
    if (state_ == ByteSink::State::kAbsent) {
      DropOldest(std::min(size_, bytes.size() - room()));
    }
    const size_t lost = bytes.size() - std::min(bytes.size(), room());
    dropped_ += lost;
    bytes.remove_suffix(lost);
  }
  const size_t end = (first_ + size_) % kCapacity;
  const size_t before_wrap = std::min(bytes.size(), kCapacity - end);
  std::copy_n(bytes.begin(), before_wrap, &ring_[end]);
  std::copy(bytes.begin() + static_cast<ptrdiff_t>(before_wrap), bytes.end(), &ring_[0]);
  size_ += bytes.size();
  if (state_ != ByteSink::State::kAbsent && room() < kBurstRoom) congested_ = true;
}

void OutputQueue::DropOldest(size_t count) {
  first_ = (first_ + count) % kCapacity;
  size_ -= count;
  dropped_ += count;
}

void OutputQueue::Drain() {
  while (size_ > 0) {
    const size_t piece = std::min(size_, kCapacity - first_);
    const ByteSink::Result result = sink_->Write(absl::MakeConstSpan(&ring_[first_], piece));
    first_ = (first_ + result.written) % kCapacity;
    size_ -= result.written;
    state_ = result.state;
    if (state_ == ByteSink::State::kGone) DropOldest(size_);
    if (state_ != ByteSink::State::kOpen) break;
  }
  last_drain_ = clock_.Monotonic();
  if (state_ == ByteSink::State::kAbsent || room() >= kResumeRoom) {
    congested_ = false;
  } else if (room() < kBurstRoom) {
    congested_ = true;  // A consumer has come who does not take what waited for one.
  }
}

void OutputQueue::Schedule() {
  if (size_ == 0) return;
  if (state_ == ByteSink::State::kFull) {
    if (!writable_.active()) {
      writable_ = loop_.OnWritable(sink_->fd(), [this] { Turn(&OutputQueue::writable_); });
    }
    return;
  }
  if (timer_.active()) return;
  timer_ = loop_.After(state_ == ByteSink::State::kAbsent ? kRetryDelay : kFlushDelay,
                       [this] { Turn(&OutputQueue::timer_); });
}

void OutputQueue::Turn(Watch OutputQueue::* watch) {
  std::shared_ptr<EventLoop::Callback> on_ready;
  {
    MutexLock lock(mutex_);
    // Before Drain, in which the sink may close the descriptor that is watched.
    (this->*watch).Reset();
    if (!writable_.active()) {
      const bool was_congested = congested_;
      Drain();
      Schedule();
      if (was_congested && !congested_) on_ready = on_ready_;
    }
  }
  if (on_ready != nullptr) (*on_ready)();
}

}  // namespace touchstone
