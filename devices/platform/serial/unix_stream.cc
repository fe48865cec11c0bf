#include "devices/platform/serial/unix_stream.h"

#include <errno.h>
#include <sys/socket.h>

#include "absl/status/statusor.h"
#include "base/log.h"
#include "base/unix_socket.h"

namespace touchstone {

std::shared_ptr<const UnixStream::Connection> UnixStream::Connect() {
  MutexLock lock(mutex_);
  if (current_ != nullptr) return current_;
  absl::StatusOr<ScopedFd> send = ConnectUnix(path_, SOCK_STREAM);
  if (!send.ok()) {
    if (!MayConnectLater(send.status())) {
      LOG(kError, "serial", "%s", send.status().message());
    }
    return nullptr;
  }
  absl::StatusOr<ScopedFd> receive = send->Duplicate();
  if (!receive.ok()) {
    LOG(kError, "serial", "%s: %s", path_, receive.status().message());
    return nullptr;
  }
  current_ = std::make_shared<const Connection>(
      Connection{.send = *std::move(send), .receive = *std::move(receive)});
  return current_;
}

bool UnixStream::IsCurrent(const std::shared_ptr<const Connection>& connection) const {
  MutexLock lock(mutex_);
  return connection != nullptr && connection == current_;
}

void UnixStream::Lose(const std::shared_ptr<const Connection>& connection) {
  MutexLock lock(mutex_);
  // The other side's watch sees it too.
  shutdown(connection->send.get(), SHUT_RDWR);
  if (connection == current_) current_ = nullptr;
}

ByteSink::Result UnixStreamSink::Write(absl::Span<const uint8_t> bytes) {
  if (!stream_->IsCurrent(connection_)) connection_ = stream_->Connect();
  if (connection_ == nullptr) return {0, State::kAbsent};
  const ssize_t count =
      send(connection_->send.get(), bytes.data(), bytes.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
  if (count > 0) return {static_cast<size_t>(count), State::kOpen};
  if (errno == EAGAIN || errno == EINTR) return {0, State::kFull};
  stream_->Lose(connection_);
  return {0, State::kAbsent};
}

ByteSource::State UnixStreamSource::Open() {
  connection_ = stream_->Connect();
  return connection_ != nullptr ? State::kOpen : State::kAbsent;
}

ByteSource::Result UnixStreamSource::Read(absl::Span<uint8_t> bytes) {
  const ssize_t count = recv(connection_->receive.get(), bytes.data(), bytes.size(), MSG_DONTWAIT);
  if (count > 0) return {static_cast<size_t>(count), State::kOpen};
  if (count < 0 && (errno == EAGAIN || errno == EINTR)) return {0, State::kOpen};
  stream_->Lose(connection_);
  return {0, State::kAbsent};
}

}  // namespace touchstone
