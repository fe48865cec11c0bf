// The transmit side of a pair of queues: the driver's frames into a port (Virtio 1.2, 5.1.6.2),
// straight from guest memory.
//
// When the port has no room the frame waits, and no further ones are taken (Blocked) until there
// is. Threads: called on the loop, but Stop.

#ifndef TOUCHSTONE_DEVICES_VIRTIO_NET_NET_TRANSMITTER_H_
#define TOUCHSTONE_DEVICES_VIRTIO_NET_NET_TRANSMITTER_H_

#include <cstdint>
#include <functional>
#include <optional>

#include "absl/base/thread_annotations.h"
#include "base/event/event_loop.h"
#include "base/mutex.h"
#include "devices/virtio/core/chain.h"
#include "devices/virtio/net/net_backend.h"

namespace touchstone {

class NetTransmitter {
 public:
  struct Stats {
    uint64_t frames = 0;
    uint64_t bad = 0;     // Too short, too long, in too many pieces, not in guest memory.
    uint64_t failed = 0;  // Lost on the host's side.
  };

  // `unblocked` is called when frames are taken again, `gone` when the port is gone. All is
  // borrowed.
  NetTransmitter(NetPort& port, EventLoop& loop, std::function<void()> unblocked,
                 std::function<void()> gone);

  // Sends the chain's frame now or later, and completes it. REQUIRES: not blocked.
  void Send(ReadableChain chain);
  [[nodiscard]] bool blocked() const;

  // Gives up the frame that waits. From any thread.
  void Stop();

  [[nodiscard]] Stats stats() const;

 private:
  static constexpr size_t kMaxSlices = 1024;  // What writev takes.

  void Writable() ABSL_LOCKS_EXCLUDED(mutex_);
  // False when the frame has to wait.
  bool TrySend(ReadableChain& chain) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  NetPort& port_;
  EventLoop& loop_;
  const std::function<void()> unblocked_;
  const std::function<void()> tell_gone_;

  mutable Mutex mutex_;
  std::optional<ReadableChain> waiting_ ABSL_GUARDED_BY(mutex_);
  Watch watch_ ABSL_GUARDED_BY(mutex_);  // While a frame waits.
  Stats stats_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace touchstone

#endif  // TOUCHSTONE_DEVICES_VIRTIO_NET_NET_TRANSMITTER_H_
