// Where the bytes that a guest reads from a serial port or console come from.

#ifndef TOUCHSTONE_DEVICES_PLATFORM_SERIAL_SERIAL_INPUT_H_
#define TOUCHSTONE_DEVICES_PLATFORM_SERIAL_SERIAL_INPUT_H_

#include <cstddef>
#include <cstdint>

#include "absl/types/span.h"
#include "base/event/event_loop.h"

namespace touchstone {

// The device pulls: it takes bytes only as long as it has room, and what is not taken stays with
// the host, beyond one bounded buffer. Thread-safe.
class SerialInput {
 public:
  virtual ~SerialInput() = default;

  // Begins to read from the host, and calls `callback`, on the loop's thread and with no lock held,
  // whenever bytes have arrived that a Read() was short of. Null: nobody any more; see EventLoop
  // for when the old callback has returned.
  virtual void OnBytes(EventLoop::Callback callback) = 0;

  // Moves up to `bytes.size()` bytes there without waiting and returns how many. After a short
  // count the callback tells of more.
  virtual size_t Read(absl::Span<uint8_t> bytes) = 0;

  // Takes back bytes of the last Read(), up to its end, to be read again first. No callback comes
  // of it. REQUIRES: no more than kMaxUnread bytes are taken back at a time.
  virtual void Unread(absl::Span<const uint8_t> bytes) = 0;
  static constexpr size_t kMaxUnread = 16;
};

// Nobody types. Thread-safe.
class NullInput final : public SerialInput {
 public:
  void OnBytes(EventLoop::Callback) override {}
  size_t Read(absl::Span<uint8_t>) override { return 0; }
  void Unread(absl::Span<const uint8_t>) override {}
};

}  // namespace touchstone

#endif  // TOUCHSTONE_DEVICES_PLATFORM_SERIAL_SERIAL_INPUT_H_
