// A ByteSource over one descriptor: standard input, a file, a pipe or a stream socket.

#ifndef TOUCHSTONE_DEVICES_PLATFORM_SERIAL_FD_SOURCE_H_
#define TOUCHSTONE_DEVICES_PLATFORM_SERIAL_FD_SOURCE_H_

#include <utility>

#include "absl/types/span.h"
#include "base/scoped_fd.h"
#include "devices/platform/serial/byte_source.h"

namespace touchstone {

// Thread-compatible. End of file and errors are kGone.
class FdSource final : public ByteSource {
 public:
  // `fd` from NonBlocking() (nonblocking.h), or a file.
  explicit FdSource(ScopedFd fd) : fd_(std::move(fd)) {}

  State Open() override { return State::kOpen; }
  Result Read(absl::Span<uint8_t> bytes) override;
  [[nodiscard]] int fd() const override { return fd_.get(); }

 private:
  const ScopedFd fd_;
};

}  // namespace touchstone

#endif  // TOUCHSTONE_DEVICES_PLATFORM_SERIAL_FD_SOURCE_H_
