// A SerialOutput that begins each line with the time, in UTC (crosvm.md 5.22):
//
//   [ 2026-01-31 23:59:59.000000042 ]: the line
//
// The time is that of the line's first byte. Thread-safe.

#ifndef TOUCHSTONE_DEVICES_PLATFORM_SERIAL_TIMESTAMP_OUTPUT_H_
#define TOUCHSTONE_DEVICES_PLATFORM_SERIAL_TIMESTAMP_OUTPUT_H_

#include <cstdint>
#include <memory>

#include "absl/base/thread_annotations.h"
#include "absl/types/span.h"
#include "base/clock.h"
#include "base/event/event_loop.h"
#include "base/mutex.h"
#include "devices/platform/serial/serial_output.h"

namespace touchstone {

class TimestampOutput final : public SerialOutput {
 public:
  // Of one line.
  static constexpr size_t kPrefixSize = 35;

  // `clock` must outlive it.
  TimestampOutput(std::unique_ptr<SerialOutput> output, Clock& clock);

  bool Write(absl::Span<const uint8_t> bytes) override;
  bool Ready() override;
  size_t Room() override;
  void OnReady(EventLoop::Callback callback) override;
  void Flush() override;

 private:
  const std::unique_ptr<SerialOutput> output_;
  Clock& clock_;
  Mutex mutex_;
  bool at_line_start_ ABSL_GUARDED_BY(mutex_) = true;
};

}  // namespace touchstone

#endif  // TOUCHSTONE_DEVICES_PLATFORM_SERIAL_TIMESTAMP_OUTPUT_H_
