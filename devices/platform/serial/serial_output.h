// Where the bytes that a guest writes to a serial port or console go.

#ifndef TOUCHSTONE_DEVICES_PLATFORM_SERIAL_SERIAL_OUTPUT_H_
#define TOUCHSTONE_DEVICES_PLATFORM_SERIAL_SERIAL_OUTPUT_H_

#include <cstddef>
#include <cstdint>

#include "absl/types/span.h"
#include "base/event/event_loop.h"

namespace touchstone {

// Thread-safe. Never waits, and holds a bounded number of bytes: a consumer that stalls makes it
// congested. A device that can hold its guest back does so while Ready() is false; bytes written
// all the same are taken as long as there is room, then dropped and counted.
class SerialOutput {
 public:
  // Bytes that Write takes whole after Ready() returned true.
  static constexpr size_t kBurst = 16;

  virtual ~SerialOutput() = default;

  // Takes `bytes`. Returns Ready() as it is afterwards.
  virtual bool Write(absl::Span<const uint8_t> bytes) = 0;

  // Whether the next kBurst bytes will be taken.
  virtual bool Ready() = 0;

  // Bytes that one Write will take whole; 0 if and only if it is not Ready(). For devices that
  // write more than bursts.
  virtual size_t Room() = 0;

  // Calls `callback`, on the loop's thread and with no lock held, each time Ready() has become true
  // again. Null: nobody any more; see EventLoop for when the old callback has returned.
  virtual void OnReady(EventLoop::Callback callback) = 0;

  // Writes what is held back for coalescing, waiting a moment for a slow consumer but not for ever.
  // For the end of a run; not for a vCPU's thread.
  virtual void Flush() = 0;
};

// Drops everything. Thread-safe.
class NullOutput final : public SerialOutput {
 public:
  bool Write(absl::Span<const uint8_t>) override { return true; }
  bool Ready() override { return true; }
  size_t Room() override { return SIZE_MAX; }
  void OnReady(EventLoop::Callback) override {}
  void Flush() override {}
};

}  // namespace touchstone

#endif  // TOUCHSTONE_DEVICES_PLATFORM_SERIAL_SERIAL_OUTPUT_H_
