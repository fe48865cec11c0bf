// A ByteSink that sends each line as one datagram to a Unix socket, without its end of line.
//
// A line of more than kMaxLine bytes goes in pieces (crosvm.md 1.4). An unfinished line waits for
// its rest. While nobody is bound to the path, and after whoever was has gone, it is looked for
// anew with each Write. A peer that reads slowly makes it kFull.
//
// Thread-compatible.

#ifndef TOUCHSTONE_DEVICES_PLATFORM_SERIAL_UNIX_DATAGRAM_SINK_H_
#define TOUCHSTONE_DEVICES_PLATFORM_SERIAL_UNIX_DATAGRAM_SINK_H_

#include <cstdint>
#include <string>
#include <utility>

#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "base/scoped_fd.h"
#include "devices/platform/serial/byte_sink.h"

namespace touchstone {

class UnixDatagramSink final : public ByteSink {
 public:
  static constexpr size_t kMaxLine = 1024;

  explicit UnixDatagramSink(std::string path) : path_(std::move(path)) {}

  Result Write(absl::Span<const uint8_t> bytes) override;
  [[nodiscard]] int fd() const override { return socket_.get(); }
  void Finish() override;

 private:
  State Send(absl::string_view line);

  const std::string path_;
  ScopedFd socket_;
  std::string line_;  // the unfinished one
};

}  // namespace touchstone

#endif  // TOUCHSTONE_DEVICES_PLATFORM_SERIAL_UNIX_DATAGRAM_SINK_H_
