// What the socket device needs of the host: byte streams, somebody who opens them, somebody who
// brings those that the host opened. unix_host.h is the real one, vsock_testing.h the fake.
//
// Thread-compatible. Calls back from the event loop that the implementation was made with, never
// from inside one of its own methods.

#ifndef TOUCHSTONE_DEVICES_VIRTIO_VSOCK_STREAM_H_
#define TOUCHSTONE_DEVICES_VIRTIO_VSOCK_STREAM_H_

#include <sys/uio.h>

#include <cstddef>
#include <cstdint>
#include <memory>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"

namespace touchstone {

// Hears of streams.
class VsockStreamSink {
 public:
  // `id` is what the stream was bound with. Both may destroy the stream.
  virtual void StreamReadable(uint64_t id) = 0;
  virtual void StreamWritable(uint64_t id) = 0;

 protected:
  ~VsockStreamSink() = default;
};

// The host's end of a connection. Destroying it closes it.
class VsockStream {
 public:
  struct Result {
    enum class Kind {
      kDone,   // `size` bytes, at least 1.
      kWait,   // Nothing now.
      kEnd,    // Reading: the host will write no more.
      kError,  // Reading: the connection broke. Writing: the host will read no more.
    };
    Kind kind = Kind::kWait;
    size_t size = 0;
  };

  virtual ~VsockStream() = default;

  // Where events go from now on, which the two Watch methods ask for. An event may come once more
  // after they were told to stop.
  virtual void Bind(VsockStreamSink& sink, uint64_t id) = 0;
  // No event goes anywhere any more: another thread than the loop's is about to destroy the stream.
  virtual void Unbind() = 0;
  virtual void WatchReadable(bool watch) = 0;
  virtual void WatchWritable(bool watch) = 0;

  // Never wait. The slices, of at least one byte, are guest memory or our own.
  virtual Result Read(absl::Span<const iovec> slices) = 0;
  virtual Result Write(absl::Span<const iovec> slices) = 0;

  // The host's reads will end; its writes will fail.
  virtual void ShutdownWrite() = 0;
  virtual void ShutdownRead() = 0;
  // Whether the host has closed its end altogether, and not only for writing.
  virtual bool HostClosed() = 0;

  // The guest has accepted a connection that the host asked for; its host side has this port.
  virtual absl::Status Accepted(uint32_t host_port) = 0;
};

// Takes the connections that the host asks for.
class VsockAcceptor {
 public:
  // May refuse by destroying the stream.
  virtual void HostConnects(uint32_t guest_port, std::unique_ptr<VsockStream> stream) = 0;

 protected:
  ~VsockAcceptor() = default;
};

class VsockHost {
 public:
  virtual ~VsockHost() = default;

  // Who takes connections. Called once.
  virtual void Serve(VsockAcceptor& acceptor) = 0;
  // Whether connections may come now; not at first. Those that come all the same wait on the host's
  // side.
  virtual void SetAccepting(bool accepting) = 0;

  // Connects to what listens at `port`. Unavailable when it is busy and may be tried again soon;
  // other errors are a refusal.
  virtual absl::StatusOr<std::unique_ptr<VsockStream>> Connect(uint32_t port) = 0;
};

}  // namespace touchstone

#endif  // TOUCHSTONE_DEVICES_VIRTIO_VSOCK_STREAM_H_
