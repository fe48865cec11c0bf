// A queue of bytes with a limit; takes memory when it needs some and gives it back when it is
// empty. Thread-compatible.

#ifndef TOUCHSTONE_DEVICES_VIRTIO_VSOCK_BYTE_RING_H_
#define TOUCHSTONE_DEVICES_VIRTIO_VSOCK_BYTE_RING_H_

#include <sys/uio.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>

#include "absl/types/span.h"

namespace touchstone {

class ByteRing {
 public:
  explicit ByteRing(size_t limit) : limit_(limit) {}

  [[nodiscard]] size_t size() const { return size_; }
  [[nodiscard]] bool empty() const { return size_ == 0; }
  // What is allocated, at most the limit.
  [[nodiscard]] size_t capacity() const { return capacity_; }

  // The bytes behind the last one, to be filled by the caller: `size` of them, in two pieces of
  // which the second may be empty. They count from now on. REQUIRES: size() + size <= limit.
  std::array<absl::Span<uint8_t>, 2> Extend(size_t size);

  // The bytes in their order, in two pieces of which the second may be empty.
  [[nodiscard]] std::array<iovec, 2> Front() const;
  // Forgets the first `size` bytes. REQUIRES: size <= size().
  void Consume(size_t size);

 private:
  void Reserve(size_t size);

  const size_t limit_;
  std::unique_ptr<uint8_t[]> bytes_;
  size_t capacity_ = 0;
  size_t start_ = 0;
  size_t size_ = 0;
};

}  // namespace touchstone

#endif  // TOUCHSTONE_DEVICES_VIRTIO_VSOCK_BYTE_RING_H_
