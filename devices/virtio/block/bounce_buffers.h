// Aligned memory that stands in for guest buffers that the host cannot use as they are (O_DIRECT).
//
// A few buffers, made when they are first needed: what a driver can make us hold is kCount * kSize
// bytes. Thread-compatible.

#ifndef TOUCHSTONE_DEVICES_VIRTIO_BLOCK_BOUNCE_BUFFERS_H_
#define TOUCHSTONE_DEVICES_VIRTIO_BLOCK_BOUNCE_BUFFERS_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <new>
#include <vector>

namespace touchstone {

class BounceBuffers {
 public:
  static constexpr size_t kSize = size_t{128} * 1024;
  static constexpr size_t kCount = 8;
  // Enough for every disk there is.
  static constexpr size_t kAlignment = 4096;

  struct Free {
    void operator()(uint8_t* memory) const {
      ::operator delete(memory, std::align_val_t{kAlignment});
    }
  };
  using Buffer = std::unique_ptr<uint8_t, Free>;

  // Null while all are taken.
  Buffer Take() {
    if (!free_.empty()) {
      Buffer buffer = std::move(free_.back());
      free_.pop_back();
      return buffer;
    }
    if (made_ == kCount) return nullptr;
    ++made_;
    return Buffer(static_cast<uint8_t*>(::operator new(kSize, std::align_val_t{kAlignment})));
  }
  void Return(Buffer buffer) { free_.push_back(std::move(buffer)); }

 private:
  std::vector<Buffer> free_;
  size_t made_ = 0;
};

}  // namespace touchstone

#endif  // TOUCHSTONE_DEVICES_VIRTIO_BLOCK_BOUNCE_BUFFERS_H_
