// A VsockStream over a connected unix socket. Thread-compatible; borrows the loop.

#ifndef TOUCHSTONE_DEVICES_VIRTIO_VSOCK_VSOCK_UNIX_STREAM_H_
#define TOUCHSTONE_DEVICES_VIRTIO_VSOCK_VSOCK_UNIX_STREAM_H_

#include <cstdint>
#include <utility>

#include "absl/status/status.h"
#include "absl/types/span.h"
#include "base/event/event_loop.h"
#include "base/scoped_fd.h"
#include "devices/virtio/vsock/stream.h"

namespace touchstone {

class VsockUnixStream final : public VsockStream {
 public:
  enum class Opener {
    kGuest,
    kHost,  // Is waiting for the line that says that the guest has accepted.
  };

  VsockUnixStream(EventLoop& loop, ScopedFd socket, Opener opener)
      : loop_(loop), socket_(std::move(socket)), opener_(opener) {}

  void Bind(VsockStreamSink& sink, uint64_t id) override;
  void Unbind() override { sink_ = nullptr; }
  void WatchReadable(bool watch) override;
  void WatchWritable(bool watch) override;
  Result Read(absl::Span<const iovec> slices) override;
  Result Write(absl::Span<const iovec> slices) override;
  void ShutdownWrite() override;
  void ShutdownRead() override;
  bool HostClosed() override;
  absl::Status Accepted(uint32_t host_port) override;

 private:
  // A watch that is not wanted any more is given up when it next fires: most of the time it is
  // wanted again before. Without a sink it belongs to the thread that destroys the stream.
  struct Direction {
    bool wanted = false;
    Watch watch;
  };

  EventLoop& loop_;
  const ScopedFd socket_;
  const Opener opener_;
  VsockStreamSink* sink_ = nullptr;
  uint64_t id_ = 0;
  Direction readable_;
  Direction writable_;
};

}  // namespace touchstone

#endif  // TOUCHSTONE_DEVICES_VIRTIO_VSOCK_VSOCK_UNIX_STREAM_H_
