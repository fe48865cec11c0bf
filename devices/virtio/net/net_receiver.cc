#include "devices/virtio/net/net_receiver.h"

#include <algorithm>
#include <cstring>
#include <optional>
#include <utility>

namespace touchstone {

NetReceiver::NetReceiver(NetPort& port, EventLoop& loop, const ReceiveFilter& filter,
                         std::function<void()> flush, std::function<void()> gone)
    : port_(port),
      loop_(loop),
      filter_(filter),
      flush_(std::move(flush)),
      tell_gone_(std::move(gone)) {}

void NetReceiver::Start(VirtQueue& queue, bool mergeable) {
  MutexLock lock(mutex_);
  if (queue_ != nullptr) return;
  queue_ = &queue;
  mergeable_ = mergeable;
  gone_ = false;
  expected_ = 0;
  if (overflow_ == nullptr) overflow_.reset(new uint8_t[kNetMaxPacket]);
}

void NetReceiver::OnKick() { Turn(); }

void NetReceiver::Stop() {
  touchstone::Watch watch;
  touchstone::Watch patience;
  MutexLock lock(mutex_);
  if (queue_ == nullptr) return;
  PutBackAll();
  queue_ = nullptr;
  waiting_size_ = 0;
  // They wait for their callbacks when they go, which is after the lock does.
  watch = std::move(watch_);
  patience = std::move(patience_);
}

NetReceiver::Stats NetReceiver::stats() const {
  MutexLock lock(mutex_);
  return stats_;
}

void NetReceiver::Turn() {
  MutexLock lock(mutex_);
  TurnLocked();
}

void NetReceiver::TurnLocked() {
  if (queue_ == nullptr || gone_) return;
  queue_->DisableKicks();
  for (int i = 0;; ++i) {
    if (i == kFramesPerTurn) {
      queue_->kick()->Signal();  // The rest has its turn later.
      break;
    }
    const Outcome outcome = ReceiveOne();
    if (outcome == Outcome::kNext) continue;
    if (outcome == Outcome::kNoBuffers && queue_->EnableKicks()) {
      queue_->DisableKicks();
      continue;
    }
    gone_ = outcome == Outcome::kGone;
    Watch(outcome == Outcome::kNoFrame);
    break;
  }
  flush_();
}

void NetReceiver::Watch(bool on) {
  if (on == watch_.active()) return;
  if (on) {
    watch_ = loop_.OnReadable(port_.fd(), [this] { Turn(); });
  } else {
    watch_.Reset();
  }
}

void NetReceiver::LosePatience() {
  MutexLock lock(mutex_);
  if (queue_ == nullptr || waiting_size_ == 0) return;
  waiting_size_ = 0;
  ++stats_.too_long;
  TurnLocked();
}

NetReceiver::Outcome NetReceiver::ReceiveOne() {
  if (waiting_size_ > 0) {
    Gather(waiting_size_);
    if (held_room_ < waiting_size_) return Outcome::kNoBuffers;
    patience_.Reset();
    return Deliver(std::exchange(waiting_size_, 0), waiting_stored_);
  }
  Gather(expected_);
  if (held_.empty()) return Outcome::kNoBuffers;
  const uint64_t room = MakeVector();
  size_t size = 0;
  switch (port_.Receive(vector_, size)) {
    case NetResult::kDone:
      break;
    case NetResult::kAgain:
      return Outcome::kNoFrame;
    case NetResult::kFailed:
      ++stats_.failed;
      return Outcome::kNext;
    case NetResult::kGone:
      tell_gone_();
      return Outcome::kGone;
  }
  if (size < kNetMinPacket || size > kNetMaxPacket) {
    ++stats_.failed;
    return Outcome::kNext;
  }
  MacAddress destination;
  memcpy(destination.data(), front_ + sizeof(NetHeader), destination.size());
  if (!filter_.Accepts(destination)) {
    ++stats_.filtered;
    return Outcome::kNext;
  }
  // Follows large frames at once, and forgets them slowly.
  expected_ = size > expected_ ? size : expected_ - (expected_ - size) / 8;
  if (size <= room) return Deliver(size, size);
  Gather(size);
  if (held_room_ >= size) return Deliver(size, room);
  if (!mergeable_) {
    ++stats_.too_long;
    return Outcome::kNext;
  }
  waiting_size_ = size;
  waiting_stored_ = room;
  patience_ = loop_.After(kPatience, [this] { LosePatience(); });
  return Outcome::kNoBuffers;
}

void NetReceiver::Gather(uint64_t size) {
  while (held_.empty() || (mergeable_ && held_room_ < size)) {
    std::optional<ReadableChain> popped = queue_->Pop();
    if (!popped.has_value()) return;
    WritableChain chain = std::move(*popped).IntoWritable();
    const uint64_t room = std::min<uint64_t>(chain.writable(), kNetMaxPacket);
    absl::StatusOr<GuestMemory::SliceList> slices = chain.Slices(room);
    // Virtio 1.2, 5.1.6.3.2: buffers are at least as long as the header, without mergeable ones
    // long enough for a frame. What is no memory, or too small for what is looked at first, goes
    // back at once; behind buffers that are held it waits for them, as these may be put back.
    if (!slices.ok() || room < kFrontSize) {
      ++stats_.bad_buffers;
      held_.push_back({.chain = std::move(chain), .slices = {}, .room = 0});
      ReturnBadBuffers();
      continue;
    }
    held_room_ += room;
    held_.push_back({.chain = std::move(chain), .slices = *std::move(slices), .room = room});
  }
}

void NetReceiver::ReturnBadBuffers() {
  while (!held_.empty() && held_.front().room == 0) {
    std::move(held_.front().chain).Complete();
    held_.erase(held_.begin());
  }
}

uint64_t NetReceiver::MakeVector() {
  vector_.clear();
  vector_.push_back({.iov_base = front_, .iov_len = kFrontSize});
  uint64_t room = kFrontSize;
  size_t skip = kFrontSize;  // Of the first buffer, which has at least as much.
  for (const Held& held : held_) {
    if (room > kFrontSize && room >= expected_) break;
    for (const iovec& slice : held.slices) {
      if (vector_.size() == kMaxSlices) break;
      const size_t skipped = std::min(skip, slice.iov_len);
      skip -= skipped;
      if (skipped == slice.iov_len) continue;
      vector_.push_back({.iov_base = static_cast<uint8_t*>(slice.iov_base) + skipped,
                         .iov_len = slice.iov_len - skipped});
      room += slice.iov_len - skipped;
    }
    if (vector_.size() == kMaxSlices) break;
  }
  vector_.push_back({.iov_base = overflow_.get(), .iov_len = kNetMaxPacket});
  return room;
}

// The first `stored` bytes of the frame are in front_ and in the first buffers, the rest is in
// overflow_. REQUIRES: the buffers have room for `size`.
NetReceiver::Outcome NetReceiver::Deliver(uint64_t size, uint64_t stored) {
  size_t count = 1;
  for (uint64_t room = held_[0].room; room < size; ++count) room += held_[count].room;
  NetHeader header;
  memcpy(&header, front_, sizeof(header));
  // Virtio 1.2, 5.1.6.4.1: the number of buffers used; 1 when they are not mergeable.
  header.buffers = static_cast<uint16_t>(count);
  memcpy(front_, &header, sizeof(header));

  absl::InlinedVector<WritableChain, 8> chains;
  uint64_t at = 0;
  for (size_t i = 0; i < count; ++i) {
    Held& held = held_[i];
    const uint64_t end = std::min(at + held.room, size);
    // Nothing of this fails: the slices were found in memory.
    if (i == 0) {
      held.chain.Write(front_).IgnoreError();
      at = kFrontSize;
    }
    if (const uint64_t direct = std::min(end, stored); direct > at) {
      held.chain.Commit(direct - at).IgnoreError();
      at = direct;
    }
    if (at < end) {
      held.chain.Write(absl::MakeConstSpan(overflow_.get() + (at - stored), end - at))
          .IgnoreError();
      at = end;
    }
    held_room_ -= held.room;
    chains.push_back(std::move(held.chain));
  }
  held_.erase(held_.begin(), held_.begin() + static_cast<ptrdiff_t>(count));
  // The driver must find all buffers of a frame when it finds the first.
  WritableChain::CompleteAll(absl::MakeSpan(chains));
  ReturnBadBuffers();
  ++stats_.frames;
  return Outcome::kNext;
}

void NetReceiver::PutBackAll() {
  while (!held_.empty()) {
    queue_->PutBack(std::move(held_.back().chain));
    held_.pop_back();
  }
  held_room_ = 0;
}

}  // namespace touchstone
