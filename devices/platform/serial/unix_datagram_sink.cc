#include "devices/platform/serial/unix_datagram_sink.h"

#include <errno.h>
#include <sys/socket.h>

#include "absl/status/statusor.h"
#include "absl/strings/strip.h"
#include "base/log.h"
#include "base/unix_socket.h"

namespace touchstone {

ByteSink::Result UnixDatagramSink::Write(absl::Span<const uint8_t> bytes) {
  for (size_t i = 0; i < bytes.size(); ++i) {
    const char byte = static_cast<char>(bytes[i]);
    if (byte != '\n') line_.push_back(byte);
    if (byte != '\n' && line_.size() < max_line_) continue;
    absl::string_view line = line_;
    if (byte == '\n') absl::ConsumeSuffix(&line, "\r");
    if (const State state = Send(line); state != State::kOpen) {
      // The byte that completes the line is not taken, so there is another Write.
      if (byte != '\n') line_.pop_back();
      return {i, state};
    }
    line_.clear();
  }
  return {bytes.size(), State::kOpen};
}

void UnixDatagramSink::Finish() {
  if (!line_.empty()) Send(line_);
}

ByteSink::State UnixDatagramSink::Connect() {
  if (socket_.valid()) return State::kOpen;
  absl::StatusOr<ScopedFd> socket = ConnectUnix(path_, SOCK_DGRAM);
  if (!socket.ok()) {
    if (MayConnectLater(socket.status())) return State::kAbsent;
    LOG(kError, "serial", "%s; its output is dropped from here on", socket.status().message());
    return State::kGone;
  }
  socket_ = *std::move(socket);
  return State::kOpen;
}

ByteSink::State UnixDatagramSink::Send(absl::string_view line) {
  if (const State state = Connect(); state != State::kOpen) return state;
  std::string message;
  if (message_) {
    message = message_(line);
    line = message;
  }
  if (send(socket_.get(), line.data(), line.size(), MSG_DONTWAIT | MSG_NOSIGNAL) < 0) {
    if (errno == EAGAIN || errno == EINTR || errno == ENOBUFS) return State::kFull;
    // ECONNREFUSED and the like: whoever was bound there has gone.
    socket_.Reset();
    return State::kAbsent;
  }
  return State::kOpen;
}

}  // namespace touchstone
