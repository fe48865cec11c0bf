// A ByteSink that sends each line as one datagram to a Unix socket, without its end of line.
//
// A line of more than kMaxLine bytes goes in pieces (crosvm.md 1.4). An unfinished line waits for
// its rest. While nobody is bound to the path, and after whoever was has gone, it is looked for
// anew with each Write. A peer that reads slowly makes it kFull.
//
// A Message makes another datagram of a line, a header before it for instance; a line then has at
// most the length that is given with it.
//
// Thread-compatible.

#ifndef TOUCHSTONE_DEVICES_PLATFORM_SERIAL_UNIX_DATAGRAM_SINK_H_
#define TOUCHSTONE_DEVICES_PLATFORM_SERIAL_UNIX_DATAGRAM_SINK_H_

#include <cstdint>
#include <functional>
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

  using Message = std::function<std::string(absl::string_view line)>;

  explicit UnixDatagramSink(std::string path) : UnixDatagramSink(std::move(path), kMaxLine, {}) {}
  UnixDatagramSink(std::string path, size_t max_line, Message message)
      : path_(std::move(path)), max_line_(max_line), message_(std::move(message)) {}

  // Looks whether somebody is bound to the path, as the first line would: kOpen, kAbsent or kGone.
  State Connect();

  Result Write(absl::Span<const uint8_t> bytes) override;
  [[nodiscard]] int fd() const override { return socket_.get(); }
  void Finish() override;

 private:
  State Send(absl::string_view line);

  const std::string path_;
  const size_t max_line_;
  const Message message_;  // may be empty
  ScopedFd socket_;
  std::string line_;  // the unfinished one
};

}  // namespace touchstone

#endif  // TOUCHSTONE_DEVICES_PLATFORM_SERIAL_UNIX_DATAGRAM_SINK_H_
