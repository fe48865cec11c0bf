// What an InputBuffer reads from: a descriptor, or a connection that may come and go.

#ifndef TOUCHSTONE_DEVICES_PLATFORM_SERIAL_BYTE_SOURCE_H_
#define TOUCHSTONE_DEVICES_PLATFORM_SERIAL_BYTE_SOURCE_H_

#include <cstddef>
#include <cstdint>

#include "absl/types/span.h"

namespace touchstone {

// Thread-compatible. No call waits.
class ByteSource {
 public:
  enum class State {
    kOpen,    // has more when fd() is readable
    kAbsent,  // nobody is there: worth another try in a while
    kGone,    // the end
  };
  struct Result {
    size_t count = 0;
    State state = State::kOpen;
  };

  virtual ~ByteSource() = default;

  // Finds whoever is there, at first and after kAbsent. kOpen means that fd() may be watched.
  virtual State Open() = 0;
  // Reads some of what is there. REQUIRES: the last call returned kOpen.
  virtual Result Read(absl::Span<uint8_t> bytes) = 0;
  // REQUIRES: Open() returned kOpen. Stays open until the next Open() or the end, so that a watch
  // can be ended before its descriptor.
  [[nodiscard]] virtual int fd() const = 0;
};

}  // namespace touchstone

#endif  // TOUCHSTONE_DEVICES_PLATFORM_SERIAL_BYTE_SOURCE_H_
