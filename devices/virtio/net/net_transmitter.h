// The transmit side of a pair of queues: the driver's frames into a port (Virtio 1.2, 5.1.6.2),
// straight from guest memory.
//
// When the port has no room the frame waits, and no further ones are taken (Blocked) until there
// is.
//
// Kicks are what small frames cost most. When the queue is empty the device may therefore wait a
// moment and look once more, before it asks to be kicked for the next frame. It goes on doing so as
// long as it finds more than one frame each time. An exchange of single frames, in which each waits
// for the last one's answer, would only get slower: that ends it, and only every sixteenth kick is
// a new attempt. Threads: called on the loop, but Stop.

#ifndef TOUCHSTONE_DEVICES_VIRTIO_NET_NET_TRANSMITTER_H_
#define TOUCHSTONE_DEVICES_VIRTIO_NET_NET_TRANSMITTER_H_

#include <cstdint>
#include <functional>
#include <optional>

#include "absl/base/thread_annotations.h"
#include "absl/time/time.h"
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

  // `wait` is the moment, zero for none. `resume` is called when frames are taken again and after
  // the moment, `gone` when the port is gone. All is borrowed.
  NetTransmitter(NetPort& port, EventLoop& loop, absl::Duration wait, std::function<void()> resume,
                 std::function<void()> gone);

  // Sends the chain's frame now or later, and completes it. REQUIRES: not blocked.
  void Send(ReadableChain chain);
  [[nodiscard]] bool blocked() const;

  // The queue is empty, in which there were so many frames. Whether the device looks again after
  // the moment, instead of asking to be kicked.
  bool LooksAgain(int frames);

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
  const absl::Duration wait_;
  const std::function<void()> resume_;
  const std::function<void()> tell_gone_;

  mutable Mutex mutex_;
  std::optional<ReadableChain> waiting_ ABSL_GUARDED_BY(mutex_);
  Watch watch_ ABSL_GUARDED_BY(mutex_);  // While a frame waits.
  bool looking_again_ ABSL_GUARDED_BY(mutex_) = false;
  int kicks_until_attempt_ ABSL_GUARDED_BY(mutex_) = 0;
  Watch timer_ ABSL_GUARDED_BY(mutex_);
  Stats stats_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace touchstone

#endif  // TOUCHSTONE_DEVICES_VIRTIO_NET_NET_TRANSMITTER_H_
