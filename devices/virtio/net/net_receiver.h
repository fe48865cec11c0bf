// The receive side of a pair of queues: frames from a port into the driver's buffers (Virtio 1.2,
// 5.1.6.3, 5.1.6.4).
//
//   frames, no buffers     the port is left alone, the driver is asked for a kick
//   buffers, no frames     the port is watched, the driver is not asked for kicks
//
// The system call stores a frame straight into the driver's buffers, but for its first bytes, which
// are looked at first. Buffers that are popped before a frame is there for them are put back when
// the queue stops.
//
// With mergeable buffers a frame may take several. As its length shows only when it was received,
// as many are offered as the last frames needed, and memory of ours behind them for the rest.
//
// Threads: called on the loop, but Stop; that is, while a lock is not needed nothing is shared.

#ifndef TOUCHSTONE_DEVICES_VIRTIO_NET_NET_RECEIVER_H_
#define TOUCHSTONE_DEVICES_VIRTIO_NET_NET_RECEIVER_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/container/inlined_vector.h"
#include "base/event/event_loop.h"
#include "base/mutex.h"
#include "devices/virtio/core/virt_queue.h"
#include "devices/virtio/net/net_backend.h"
#include "devices/virtio/net/net_protocol.h"
#include "devices/virtio/net/receive_filter.h"

namespace touchstone {

class NetReceiver {
 public:
  struct Stats {
    uint64_t frames = 0;
    uint64_t filtered = 0;
    uint64_t too_long = 0;     // For the driver's buffers.
    uint64_t failed = 0;       // Lost on the host's side.
    uint64_t bad_buffers = 0;  // Too small, or not in guest memory.
  };

  // Frames that one turn of the loop receives.
  static constexpr int kFramesPerTurn = 64;
  // How long a frame waits for buffers when it has come and there are too few.
  static constexpr absl::Duration kPatience = absl::Milliseconds(100);

  // `flush` interrupts the driver if it wants that; `gone` hears that the port is. All is borrowed.
  NetReceiver(NetPort& port, EventLoop& loop, const ReceiveFilter& filter,
              std::function<void()> flush, std::function<void()> gone);

  // The queue starts to receive: it runs, and its pair is active. Harmless when it does already.
  // REQUIRES: on the loop; `queue` stays where it is until Stop.
  void Start(VirtQueue& queue, bool mergeable);
  // New buffers. REQUIRES: on the loop.
  void OnKick();
  // Puts back what was popped and leaves the port alone. From any thread; harmless when stopped.
  void Stop();

  [[nodiscard]] Stats stats() const;

 private:
  static constexpr size_t kFrontSize = sizeof(NetHeader) + sizeof(MacAddress);
  static constexpr size_t kMaxSlices = 1000;  // readv takes 1024.

  // A buffer that was popped.
  struct Held {
    WritableChain chain;
    GuestMemory::SliceList slices;
    uint64_t room = 0;  // What the slices hold; 0 in a bad buffer, which is never the first.
  };
  enum class Outcome { kNext, kNoFrame, kNoBuffers, kGone };

  void Turn() ABSL_LOCKS_EXCLUDED(mutex_);
  void TurnLocked() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void Watch(bool on) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void LosePatience() ABSL_LOCKS_EXCLUDED(mutex_);

  Outcome ReceiveOne() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Pops until `size` bytes have room or there is nothing left to pop.
  void Gather(uint64_t size) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Those that nothing good is in front of.
  void ReturnBadBuffers() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // What the next frame is received into. Returns the room of the driver's part.
  uint64_t MakeVector() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  Outcome Deliver(uint64_t size, uint64_t stored) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void PutBackAll() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  NetPort& port_;
  EventLoop& loop_;
  const ReceiveFilter& filter_;
  const std::function<void()> flush_;
  const std::function<void()> tell_gone_;

  mutable Mutex mutex_;
  VirtQueue* queue_ ABSL_GUARDED_BY(mutex_) = nullptr;  // Null while stopped.
  bool mergeable_ ABSL_GUARDED_BY(mutex_) = false;
  bool gone_ ABSL_GUARDED_BY(mutex_) = false;
  touchstone::Watch watch_ ABSL_GUARDED_BY(mutex_);
  touchstone::Watch patience_ ABSL_GUARDED_BY(mutex_);
  std::vector<Held> held_ ABSL_GUARDED_BY(mutex_);
  uint64_t held_room_ ABSL_GUARDED_BY(mutex_) = 0;
  uint64_t expected_ ABSL_GUARDED_BY(mutex_) = 0;  // The size that the next frame may have.
  // A frame that has come and waits for buffers: its size, and how much of it the first ones have.
  uint64_t waiting_size_ ABSL_GUARDED_BY(mutex_) = 0;
  uint64_t waiting_stored_ ABSL_GUARDED_BY(mutex_) = 0;
  std::vector<iovec> vector_ ABSL_GUARDED_BY(mutex_);
  uint8_t front_[kFrontSize] ABSL_GUARDED_BY(mutex_) = {};
  std::unique_ptr<uint8_t[]> overflow_ ABSL_GUARDED_BY(mutex_);
  Stats stats_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace touchstone

#endif  // TOUCHSTONE_DEVICES_VIRTIO_NET_NET_RECEIVER_H_
