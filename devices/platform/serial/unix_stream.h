// A connection to a Unix stream socket, for output and input at once, that is made anew when the
// peer comes back.
//
//   auto stream = std::make_shared<UnixStream>("/run/console.sock");
//   OutputQueue output(loop, std::make_unique<UnixStreamSink>(stream), "com1");
//   InputBuffer input(loop, std::make_unique<UnixStreamSource>(stream));
//
// Either side notices the end of a connection; both then share the next one. What was sent into
// a connection that broke is lost, what comes later waits in the OutputQueue.

#ifndef TOUCHSTONE_DEVICES_PLATFORM_SERIAL_UNIX_STREAM_H_
#define TOUCHSTONE_DEVICES_PLATFORM_SERIAL_UNIX_STREAM_H_

#include <cstdint>
#include <memory>
#include <string>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/types/span.h"
#include "base/mutex.h"
#include "base/scoped_fd.h"
#include "devices/platform/serial/byte_sink.h"
#include "devices/platform/serial/byte_source.h"

namespace touchstone {

// Thread-safe.
class UnixStream {
 public:
  // A connection and its descriptors, one for each direction, since a loop watches a descriptor at
  // most once. Closed when both sides have let go.
  struct Connection {
    ScopedFd send;
    ScopedFd receive;
  };

  explicit UnixStream(std::string path) : path_(std::move(path)) {}

  // The connection, made now if there is none; null when nobody listens.
  std::shared_ptr<const Connection> Connect();
  // Whether `connection` is the one that Connect() returns.
  bool IsCurrent(const std::shared_ptr<const Connection>& connection) const;
  // `connection` has ended: the next Connect() makes another.
  void Lose(const std::shared_ptr<const Connection>& connection);

 private:
  const std::string path_;
  mutable Mutex mutex_;
  std::shared_ptr<const Connection> current_ ABSL_GUARDED_BY(mutex_);
};

// Thread-compatible.
class UnixStreamSink final : public ByteSink {
 public:
  explicit UnixStreamSink(std::shared_ptr<UnixStream> stream) : stream_(std::move(stream)) {}

  Result Write(absl::Span<const uint8_t> bytes) override;
  [[nodiscard]] int fd() const override { return connection_->send.get(); }

 private:
  const std::shared_ptr<UnixStream> stream_;
  std::shared_ptr<const UnixStream::Connection> connection_;
};

// Thread-compatible.
class UnixStreamSource final : public ByteSource {
 public:
  explicit UnixStreamSource(std::shared_ptr<UnixStream> stream) : stream_(std::move(stream)) {}

  State Open() override;
  Result Read(absl::Span<uint8_t> bytes) override;
  [[nodiscard]] int fd() const override { return connection_->receive.get(); }

 private:
  const std::shared_ptr<UnixStream> stream_;
  std::shared_ptr<const UnixStream::Connection> connection_;
};

}  // namespace touchstone

#endif  // TOUCHSTONE_DEVICES_PLATFORM_SERIAL_UNIX_STREAM_H_
