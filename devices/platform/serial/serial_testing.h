// Both ends of a serial port for tests, fuzzers and benchmarks.

#ifndef TOUCHSTONE_DEVICES_PLATFORM_SERIAL_SERIAL_TESTING_H_
#define TOUCHSTONE_DEVICES_PLATFORM_SERIAL_SERIAL_TESTING_H_

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "base/event/event_loop.h"
#include "base/mutex.h"
#include "devices/platform/serial/serial_input.h"
#include "devices/platform/serial/serial_output.h"

namespace touchstone {

// Keeps what is written, or its size at least. SetCapacity makes it congest. Thread-safe.
class FakeOutput final : public SerialOutput {
 public:
  enum class Keeps { kText, kSize };

  explicit FakeOutput(Keeps keeps = Keeps::kText) : keeps_(keeps) {}

  bool Write(absl::Span<const uint8_t> bytes) override {
    MutexLock lock(mutex_);
    const size_t taken = std::min(bytes.size(), capacity_ - std::min(capacity_, size_));
    if (keeps_ == Keeps::kText) text_.append(bytes.begin(), bytes.begin() + taken);
    size_ += taken;
    dropped_ += bytes.size() - taken;
    return HasRoom();
  }
  bool Ready() override {
    MutexLock lock(mutex_);
    return HasRoom();
  }
  size_t Room() override {
    MutexLock lock(mutex_);
    return HasRoom() ? capacity_ - size_ : 0;
  }
  void OnReady(EventLoop::Callback callback) override {
    MutexLock lock(mutex_);
    on_ready_ = std::move(callback);
  }
  void Flush() override {}

  [[nodiscard]] std::string text() const {
    MutexLock lock(mutex_);
    return text_;
  }
  // What text() has, or would have.
  [[nodiscard]] size_t size() const {
    MutexLock lock(mutex_);
    return size_;
  }
  [[nodiscard]] size_t dropped() const {
    MutexLock lock(mutex_);
    return dropped_;
  }

  // Bytes it holds at most; it is congested with fewer than kBurst left. On the caller's thread, as
  // the loop.
  void SetCapacity(size_t capacity) {
    {
      MutexLock lock(mutex_);
      capacity_ = capacity;
    }
    if (on_ready_ != nullptr && Ready()) on_ready_();
  }
  // The consumer takes everything. On the caller's thread, as the loop.
  void Drain() {
    {
      MutexLock lock(mutex_);
      text_.clear();
      size_ = 0;
    }
    if (on_ready_ != nullptr) on_ready_();
  }

 private:
  bool HasRoom() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    return capacity_ - std::min(capacity_, size_) >= kBurst;
  }

  const Keeps keeps_;
  mutable Mutex mutex_;
  std::string text_ ABSL_GUARDED_BY(mutex_);
  size_t size_ ABSL_GUARDED_BY(mutex_) = 0;
  size_t capacity_ ABSL_GUARDED_BY(mutex_) = SIZE_MAX;
  size_t dropped_ ABSL_GUARDED_BY(mutex_) = 0;
  EventLoop::Callback on_ready_;  // set while the device is set up and torn down only
};

// A host that types. Thread-safe.
class FakeInput final : public SerialInput {
 public:
  void OnBytes(EventLoop::Callback callback) override {
    MutexLock lock(mutex_);
    begun_ = callback != nullptr;
    on_bytes_ = std::move(callback);
  }
  size_t Read(absl::Span<uint8_t> bytes) override {
    MutexLock lock(mutex_);
    const size_t count = std::min(bytes.size(), typed_.size() - next_);
    std::copy_n(typed_.begin() + static_cast<ptrdiff_t>(next_), count, bytes.begin());
    next_ += count;
    if (next_ == typed_.size()) {
      typed_.clear();
      next_ = 0;
    }
    return count;
  }

  void Unread(absl::Span<const uint8_t> bytes) override {
    MutexLock lock(mutex_);
    typed_.erase(0, next_);
    next_ = 0;
    typed_.insert(typed_.begin(), bytes.begin(), bytes.end());
  }

  // As the loop: on one thread.
  void Type(absl::string_view text) {
    {
      MutexLock lock(mutex_);
      typed_.append(text.data(), text.size());
    }
    if (begun() && on_bytes_ != nullptr) on_bytes_();
  }
  [[nodiscard]] bool begun() const {
    MutexLock lock(mutex_);
    return begun_;
  }
  // Bytes typed that the device has not taken.
  [[nodiscard]] size_t waiting() const {
    MutexLock lock(mutex_);
    return typed_.size() - next_;
  }

 private:
  mutable Mutex mutex_;
  std::string typed_ ABSL_GUARDED_BY(mutex_);
  size_t next_ ABSL_GUARDED_BY(mutex_) = 0;
  bool begun_ ABSL_GUARDED_BY(mutex_) = false;
  EventLoop::Callback on_bytes_;  // written before begun_ is, and read after it
};

}  // namespace touchstone

#endif  // TOUCHSTONE_DEVICES_PLATFORM_SERIAL_SERIAL_TESTING_H_
