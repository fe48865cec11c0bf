// A ByteSink over one descriptor: a file, a terminal, a pipe or a stream socket.

#ifndef TOUCHSTONE_DEVICES_PLATFORM_SERIAL_FD_SINK_H_
#define TOUCHSTONE_DEVICES_PLATFORM_SERIAL_FD_SINK_H_

#include <string>

#include "absl/types/span.h"
#include "base/scoped_fd.h"
#include "devices/platform/serial/byte_sink.h"

namespace touchstone {

// Thread-compatible. A disk that is full is kAbsent, for space may come; a reader that went away
// and any other error is kGone, logged once.
class FdSink final : public ByteSink {
 public:
  // `fd` from NonBlocking() (nonblocking.h), or a file. `name` is for log lines.
  FdSink(ScopedFd fd, std::string name);

  Result Write(absl::Span<const uint8_t> bytes) override;
  [[nodiscard]] int fd() const override { return fd_.get(); }

 private:
  const ScopedFd fd_;
  const bool is_socket_;
  const std::string name_;
};

}  // namespace touchstone

#endif  // TOUCHSTONE_DEVICES_PLATFORM_SERIAL_FD_SINK_H_
