// A SerialOutput over a ByteSink: gathers the bytes that a guest writes one at a time into few
// system calls.
//
// What is written after kFlushDelay of silence leaves at once, on the writer's thread: that is less
// work than waking the loop's, and an echo is not late. What follows leaves kFlushDelay after the
// first of it was written, on the loop's thread, or at once when kInlineSize bytes are there, and
// at last when the queue is destroyed. A boot log costs one call a millisecond instead of one a
// byte.
//
// A consumer that stalls fills the queue. From less than kBurstRoom of room it is congested, and it
// is ready again from kResumeRoom on: a device that waits loses nothing, one that does not loses
// what does not fit (counted, and logged at the end). While nobody is there (ByteSink kAbsent)
// there is no consumer to wait for: the queue keeps the newest kCapacity bytes for the next one.
// When the sink is gone for good, bytes are dropped. The guest runs on in each case.
//
// Thread-safe. Must not outlive the loop; destroyed on its thread or while it does not run.

#ifndef TOUCHSTONE_DEVICES_PLATFORM_SERIAL_OUTPUT_QUEUE_H_
#define TOUCHSTONE_DEVICES_PLATFORM_SERIAL_OUTPUT_QUEUE_H_

#include <cstdint>
#include <memory>
#include <string>

#include "absl/base/thread_annotations.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "base/clock.h"
#include "base/event/event_loop.h"
#include "base/mutex.h"
#include "devices/platform/serial/byte_sink.h"
#include "devices/platform/serial/serial_output.h"

namespace touchstone {

class OutputQueue final : public SerialOutput {
 public:
  static constexpr size_t kCapacity = size_t{64} * 1024;
  static constexpr size_t kInlineSize = 4096;
  // Room for a burst with a time stamp before each of its bytes (timestamp_output.h).
  static constexpr size_t kBurstRoom = 1024;
  static constexpr size_t kResumeRoom = 8192;
  static constexpr absl::Duration kFlushDelay = absl::Milliseconds(1);
  static constexpr absl::Duration kRetryDelay = absl::Milliseconds(10);
  // How long Flush and the destructor wait for a slow consumer, in total.
  static constexpr absl::Duration kPatience = absl::Milliseconds(500);

  // `name` is for log lines.
  OutputQueue(EventLoop& loop, Clock& clock, std::unique_ptr<ByteSink> sink, std::string name);
  ~OutputQueue() override;

  bool Write(absl::Span<const uint8_t> bytes) override;
  bool Ready() override;
  size_t Room() override;
  void OnReady(EventLoop::Callback callback) override;
  void Flush() override;

  // Bytes that were lost so far.
  [[nodiscard]] uint64_t dropped() const;

 private:
  [[nodiscard]] size_t room() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    return kCapacity - size_;
  }
  void Append(absl::Span<const uint8_t> bytes) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void DropOldest(size_t count) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Whether bytes that are written now to the empty queue come after a silence.
  [[nodiscard]] bool Quiet() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    return size_ == 0 && clock_.Monotonic() - last_drain_ >= kFlushDelay;
  }
  // Gives the sink what it takes without waiting.
  void Drain() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Sees to it that Drain is called when there is a point in it.
  void Schedule() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // On the loop's thread: `watch` fired.
  void Turn(Watch OutputQueue::* watch);

  EventLoop& loop_;
  Clock& clock_;
  const std::string name_;

  mutable Mutex mutex_;
  const std::unique_ptr<ByteSink> sink_ ABSL_PT_GUARDED_BY(mutex_);
  ByteSink::State state_ ABSL_GUARDED_BY(mutex_) = ByteSink::State::kOpen;
  // A ring of kCapacity, allocated with the first byte. Pages that were never needed stay
  // untouched.
  std::unique_ptr<uint8_t[]> ring_ ABSL_GUARDED_BY(mutex_);
  size_t first_ ABSL_GUARDED_BY(mutex_) = 0;
  size_t size_ ABSL_GUARDED_BY(mutex_) = 0;
  // When the sink was last given something.
  absl::Duration last_drain_ ABSL_GUARDED_BY(mutex_) = -absl::InfiniteDuration();
  bool congested_ ABSL_GUARDED_BY(mutex_) = false;
  uint64_t dropped_ ABSL_GUARDED_BY(mutex_) = 0;
  std::shared_ptr<EventLoop::Callback> on_ready_ ABSL_GUARDED_BY(mutex_);
  // Both are reset on the loop's thread only, and so never wait for a callback that waits for
  // mutex_.
  Watch timer_ ABSL_GUARDED_BY(mutex_);
  Watch writable_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace touchstone

#endif  // TOUCHSTONE_DEVICES_PLATFORM_SERIAL_OUTPUT_QUEUE_H_
