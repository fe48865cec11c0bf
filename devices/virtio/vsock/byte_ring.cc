#include "devices/virtio/vsock/byte_ring.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "base/log.h"

namespace touchstone {
namespace {

constexpr size_t kMinCapacity = 4096;

}  // namespace

std::array<absl::Span<uint8_t>, 2> ByteRing::Extend(size_t size) {
  CHECK(size <= limit_ - size_);
  if (size_ + size > capacity_) Reserve(size_ + size);
  const size_t end = capacity_ == 0 ? 0 : (start_ + size_) % capacity_;
  const size_t first = std::min(size, capacity_ - end);
  size_ += size;
  return {absl::MakeSpan(bytes_.get() + end, first), absl::MakeSpan(bytes_.get(), size - first)};
}

std::array<iovec, 2> ByteRing::Front() const {
  const size_t first = std::min(size_, capacity_ - start_);
  return {iovec{bytes_.get() + start_, first}, iovec{bytes_.get(), size_ - first}};
}

void ByteRing::Consume(size_t size) {
  CHECK(size <= size_);
  size_ -= size;
  if (size_ > 0) {
    start_ = (start_ + size) % capacity_;
    return;
  }
  bytes_.reset();
  capacity_ = 0;
  start_ = 0;
}

void ByteRing::Reserve(size_t size) {
  const size_t capacity = std::min(limit_, std::max({size, 2 * capacity_, kMinCapacity}));
  auto bytes = std::make_unique<uint8_t[]>(capacity);
  size_t copied = 0;
  for (const iovec& piece : Front()) {
    if (piece.iov_len > 0) memcpy(bytes.get() + copied, piece.iov_base, piece.iov_len);
    copied += piece.iov_len;
  }
  bytes_ = std::move(bytes);
  capacity_ = capacity;
  start_ = 0;
}

}  // namespace touchstone
