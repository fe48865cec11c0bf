// The frames of a network device over a stream socket, each behind its length: what passt and
// socket_vmnet speak with QEMU and libkrun (libkrun.md 3.4).
//
//   | length 4, big-endian | Ethernet frame | length 4 | Ethernet frame ...
//
// There is no virtio header, so nothing can be left to the other side: no offloads.
//
// What is read ahead and what was sent in part are buffered, one buffer of a fixed size for each. A
// length that no frame has ends the connection, since what follows cannot be understood.
//
// Threads: as NetPort.

#ifndef TOUCHSTONE_DEVICES_VIRTIO_NET_STREAM_PORT_H_
#define TOUCHSTONE_DEVICES_VIRTIO_NET_STREAM_PORT_H_

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/types/span.h"
#include "base/mutex.h"
#include "base/scoped_fd.h"
#include "devices/virtio/net/net_backend.h"
#include "devices/virtio/net/net_protocol.h"

namespace touchstone {

class StreamPort final : public NetPort {
 public:
  static constexpr size_t kLengthSize = 4;
  static constexpr size_t kReadAhead = 256 << 10;
  static_assert(kReadAhead >= kLengthSize + kNetMaxFrame);

  // Hears, once for each connection and while Receive or Send runs, how it was lost: Unavailable
  // when the other side hung up, DataLoss when it does not keep to the protocol.
  using Lost = std::function<void(const absl::Status& reason)>;

  // `socket` is a connected stream.
  StreamPort(ScopedFd socket, Lost lost);

  // Goes on with another connection; the descriptor of the one before stays open until
  // ForgetPrevious.
  void Replace(ScopedFd socket);
  void ForgetPrevious() { previous_.Reset(); }

  // --- NetPort.
  NetResult Receive(absl::Span<const iovec> buffers, size_t& size) override;
  NetResult Send(absl::Span<const iovec> frame) override;
  void Abandon() override;
  [[nodiscard]] int fd() const override { return socket_.get(); }

 private:
  // Reads on. REQUIRES: what is buffered is no whole frame.
  NetResult ReadMore();
  NetResult SendTail() ABSL_EXCLUSIVE_LOCKS_REQUIRED(send_mutex_);
  // A call of the socket has failed.
  NetResult Failed(const char* call, int error);
  NetResult Lose(const absl::Status& reason);

  const Lost lost_;
  ScopedFd socket_;
  ScopedFd previous_;
  bool open_ = true;

  // What was read and not yet received is from begin_ to end_.
  const std::unique_ptr<uint8_t[]> read_ahead_;
  size_t begin_ = 0;
  size_t end_ = 0;

  Mutex send_mutex_;
  std::vector<iovec> vector_ ABSL_GUARDED_BY(send_mutex_);
  // The rest of a frame that was sent in part, from tail_begin_; whether it is the frame that Send
  // is asked to send next.
  std::vector<uint8_t> tail_ ABSL_GUARDED_BY(send_mutex_);
  size_t tail_begin_ ABSL_GUARDED_BY(send_mutex_) = 0;
  bool tail_is_next_ ABSL_GUARDED_BY(send_mutex_) = false;
};

}  // namespace touchstone

#endif  // TOUCHSTONE_DEVICES_VIRTIO_NET_STREAM_PORT_H_
