// What an OutputQueue writes to: a descriptor, or a connection that may come and go.

#ifndef TOUCHSTONE_DEVICES_PLATFORM_SERIAL_BYTE_SINK_H_
#define TOUCHSTONE_DEVICES_PLATFORM_SERIAL_BYTE_SINK_H_

#include <cstddef>
#include <cstdint>

#include "absl/types/span.h"

namespace touchstone {

// Thread-compatible. No call waits.
class ByteSink {
 public:
  enum class State {
    kOpen,    // takes more at once
    kFull,    // takes more when fd() is writable
    kAbsent,  // nobody is there, or there is no space: worth another try in a while
    kGone,    // never again
  };
  struct Result {
    size_t written = 0;
    State state = State::kOpen;
  };

  virtual ~ByteSink() = default;

  // Writes some of `bytes`, which is not empty. Either writes something or is not kOpen.
  virtual Result Write(absl::Span<const uint8_t> bytes) = 0;
  // What became writable ends kFull. May change with each Write.
  [[nodiscard]] virtual int fd() const = 0;
  // Writes what the sink itself holds back: nothing comes after it.
  virtual void Finish() {}
};

}  // namespace touchstone

#endif  // TOUCHSTONE_DEVICES_PLATFORM_SERIAL_BYTE_SINK_H_
