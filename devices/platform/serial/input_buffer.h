// A SerialInput over a ByteSource: one bounded buffer between the host and a device.
//
// Reads from the host begin with OnBytes() and stop while the buffer is full, so that a host that
// floods an idle guest is held back by its own pipe or terminal (known-escapes.md KE-38). At the
// end of input nothing is watched any more. A source that is absent is looked for every
// kRetryDelay.
//
// Thread-safe. Must not outlive the loop; destroyed on its thread or while it does not run.

#ifndef TOUCHSTONE_DEVICES_PLATFORM_SERIAL_INPUT_BUFFER_H_
#define TOUCHSTONE_DEVICES_PLATFORM_SERIAL_INPUT_BUFFER_H_

#include <array>
#include <cstdint>
#include <memory>

#include "absl/base/thread_annotations.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "base/event/event_loop.h"
#include "base/mutex.h"
#include "devices/platform/serial/byte_source.h"
#include "devices/platform/serial/serial_input.h"

namespace touchstone {

class InputBuffer final : public SerialInput {
 public:
  static constexpr size_t kCapacity = 4096;
  static constexpr absl::Duration kRetryDelay = absl::Milliseconds(50);

  InputBuffer(EventLoop& loop, std::unique_ptr<ByteSource> source);
  ~InputBuffer() override;

  void OnBytes(EventLoop::Callback callback) override;
  size_t Read(absl::Span<uint8_t> bytes) override;
  void Unread(absl::Span<const uint8_t> bytes) override;

 private:
  // There is always room to take back.
  static constexpr size_t kRingSize = kCapacity + kMaxUnread;

  // Watches the source when there is somebody to tell, room, and something to watch.
  void Listen() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // On the loop's thread.
  void Readable();
  void Retry();

  EventLoop& loop_;

  Mutex mutex_;
  const std::unique_ptr<ByteSource> source_ ABSL_PT_GUARDED_BY(mutex_);
  ByteSource::State state_ ABSL_GUARDED_BY(mutex_) = ByteSource::State::kAbsent;
  // A ring.
  std::array<uint8_t, kRingSize> bytes_ ABSL_GUARDED_BY(mutex_);
  size_t first_ ABSL_GUARDED_BY(mutex_) = 0;
  size_t size_ ABSL_GUARDED_BY(mutex_) = 0;
  std::shared_ptr<EventLoop::Callback> on_bytes_ ABSL_GUARDED_BY(mutex_);
  // Both are reset on the loop's thread only, and so never wait for a callback that waits for
  // mutex_.
  Watch readable_ ABSL_GUARDED_BY(mutex_);
  Watch retry_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace touchstone

#endif  // TOUCHSTONE_DEVICES_PLATFORM_SERIAL_INPUT_BUFFER_H_
