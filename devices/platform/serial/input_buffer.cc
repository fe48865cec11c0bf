#include "devices/platform/serial/input_buffer.h"

#include <algorithm>
#include <utility>

namespace touchstone {

InputBuffer::InputBuffer(EventLoop& loop, std::unique_ptr<ByteSource> source)
    : loop_(loop), source_(std::move(source)) {}

InputBuffer::~InputBuffer() {
  MutexLock lock(mutex_);
  readable_.Reset();
  retry_.Reset();
}

void InputBuffer::OnBytes(EventLoop::Callback callback) {
  MutexLock lock(mutex_);
  if (callback == nullptr) {
    on_bytes_ = nullptr;
    readable_.Reset();
    retry_.Reset();
    return;
  }
  on_bytes_ = std::make_shared<EventLoop::Callback>(std::move(callback));
  Listen();
}

size_t InputBuffer::Read(absl::Span<uint8_t> bytes) {
  MutexLock lock(mutex_);
  const size_t count = std::min(bytes.size(), size_);
  for (size_t i = 0; i < count; ++i) bytes[i] = bytes_[(first_ + i) % kRingSize];
  first_ = (first_ + count) % kRingSize;
  size_ -= count;
  // Not at the first free byte: reads from the host are worth gathering.
  if (size_ <= kCapacity / 2) Listen();
  return count;
}

void InputBuffer::Unread(absl::Span<const uint8_t> bytes) {
  MutexLock lock(mutex_);
  for (size_t i = bytes.size(); i > 0 && size_ < kRingSize; --i) {
    first_ = (first_ + kRingSize - 1) % kRingSize;
    bytes_[first_] = bytes[i - 1];
    ++size_;
  }
}

void InputBuffer::Listen() {
  if (on_bytes_ == nullptr || readable_.active() || retry_.active() || size_ >= kCapacity) return;
  if (state_ == ByteSource::State::kAbsent) state_ = source_->Open();
  switch (state_) {
    case ByteSource::State::kOpen:
      readable_ = loop_.OnReadable(source_->fd(), [this] { Readable(); });
      return;
    case ByteSource::State::kAbsent:
      retry_ = loop_.After(kRetryDelay, [this] { Retry(); });
      return;
    case ByteSource::State::kGone:
      return;
  }
}

void InputBuffer::Readable() {
  std::shared_ptr<EventLoop::Callback> on_bytes;
  {
    MutexLock lock(mutex_);
    if (size_ >= kCapacity) {  // by Unread
      readable_.Reset();
      return;
    }
    uint8_t bytes[kCapacity];
    const size_t room = kCapacity - size_;
    const ByteSource::Result result = source_->Read(absl::MakeSpan(bytes, room));
    state_ = result.state;
    for (size_t i = 0; i < result.count; ++i) {
      bytes_[(first_ + size_ + i) % kRingSize] = bytes[i];
    }
    size_ += result.count;
    if (state_ != ByteSource::State::kOpen || size_ >= kCapacity) readable_.Reset();
    Listen();
    if (result.count > 0) on_bytes = on_bytes_;
  }
  if (on_bytes != nullptr) (*on_bytes)();
}

void InputBuffer::Retry() {
  MutexLock lock(mutex_);
  retry_.Reset();
  Listen();
}

}  // namespace touchstone
