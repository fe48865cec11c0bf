// Where the frames of a network device come from and go to: a tap, a socket, a test.
//
// A frame here is what virtio makes of it: a NetHeader, then the Ethernet frame.
//
//   iovec buffers[] = {...};
//   size_t size;
//   switch (port.Receive(buffers, size)) { ... }

#ifndef TOUCHSTONE_DEVICES_VIRTIO_NET_NET_BACKEND_H_
#define TOUCHSTONE_DEVICES_VIRTIO_NET_NET_BACKEND_H_

#include <sys/uio.h>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>

#include "absl/status/status.h"
#include "absl/types/span.h"

namespace touchstone {

enum class NetResult {
  kDone,
  kAgain,   // There is nothing to receive or no room to send now; the descriptor tells when.
  kFailed,  // This frame is lost.
  kGone,    // The other side has gone, and nothing is sent or received until it returns.
};

// Both directions of one pair of queues. Thread-compatible; never blocks.
class NetPort {
 public:
  virtual ~NetPort() = default;

  // Stores the next frame, and how long it is. One that does not fit is cut.
  virtual NetResult Receive(absl::Span<const iovec> buffers, size_t& size) = 0;
  // Sends a frame of kNetMinPacket to kNetMaxPacket bytes.
  virtual NetResult Send(absl::Span<const iovec> frame) = 0;
  // The frame that Send returned kAgain for is not sent again: the next one is another. Any thread.
  virtual void Abandon() {}

  // Is readable when a frame may be there after Receive returned kAgain, writable when there may be
  // room after Send did.
  [[nodiscard]] virtual int fd() const = 0;
};

// Thread-compatible, but what is constant may be asked for anywhere.
class NetBackend {
 public:
  virtual ~NetBackend() = default;

  // One for each pair of queues; at least one. Constant, and so is what follows.
  [[nodiscard]] virtual size_t pairs() const = 0;
  [[nodiscard]] virtual NetPort& port(size_t pair) = 0;
  // Those of kNetHostOffloadBits and kNetGuestOffloadBits that can be used.
  [[nodiscard]] virtual uint64_t offloads() const = 0;
  // The network's, if it is known.
  [[nodiscard]] virtual std::optional<uint16_t> mtu() const = 0;

  // The driver takes frames as these of kNetGuestOffloadBits say, and no others.
  virtual absl::Status SetGuestOffloads(uint64_t offloads) = 0;
  // The first so many ports are used; the others rest, and are not to be asked for anything.
  virtual absl::Status SetActivePairs(size_t pairs) = 0;
  // Calls `returned` on the loop whenever ports that were gone can be used again: then they have
  // other descriptors, and the old ones stay open until it returns. Null ends that, and waits for a
  // call that runs.
  virtual void WatchReturn(const std::function<void()>& returned) { static_cast<void>(returned); }
};

}  // namespace touchstone

#endif  // TOUCHSTONE_DEVICES_VIRTIO_NET_NET_BACKEND_H_
