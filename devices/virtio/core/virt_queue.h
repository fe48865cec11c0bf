// A virtqueue in use, seen from the device: split or packed, as was negotiated.
//
//   ASSIGN_OR_RETURN(VirtQueue queue, VirtQueue::Create(memory, {.layout = ..., .features = ...}));
//   do {
//     queue.DisableKicks();
//     while (std::optional<ReadableChain> chain = queue.Pop()) Serve(*std::move(chain));
//   } while (queue.EnableKicks());
//   if (queue.NeedsSignal()) interrupt.SignalQueue(index);
//   if (queue.broken()) interrupt.QueueBroken(index);
//
// (QueueDevice does that.) Chains may complete in any order, and later. A ring that makes no sense
// marks the queue broken: it yields no more chains, and the driver has to reset the device (Virtio
// 1.2, 2.1.2); chains in flight still complete. There are never more chains in flight than the
// queue has entries, and a head that is made available again before it was returned breaks the
// queue.
//
// Popping and completing a short chain neither allocates nor calls the system, unless more chains
// are in flight than ever before.
//
// Ownership: a move-only handle; holds the memory alive. Destroying it with chains in flight is
// allowed: they complete into nothing. Threads: thread-compatible, its chains included.

#ifndef TOUCHSTONE_DEVICES_VIRTIO_CORE_VIRT_QUEUE_H_
#define TOUCHSTONE_DEVICES_VIRTIO_CORE_VIRT_QUEUE_H_

#include <cstdint>
#include <memory>
#include <optional>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "base/event_fd.h"
#include "base/memory/guest_memory.h"
#include "base/memory/guest_window.h"
#include "devices/virtio/core/chain.h"
#include "devices/virtio/core/queue_core.h"
#include "devices/virtio/core/queue_layout.h"
#include "devices/virtio/core/queue_stats.h"

namespace touchstone {

class VirtQueue {
 public:
  struct Config {
    QueueLayout layout;
    uint64_t features = 0;  // What was negotiated (virtio_features.h).
    QueuePosition position;
    // What the driver's kicks signal; null when somebody else looks after kicks.
    std::shared_ptr<const EventFd> kick;
    // Memory that outlives this process, where the queue keeps what it has in flight
    // (inflight_layout.h), all of it one region. When a queue was tracked there before, chains that
    // were popped and never completed are popped again, oldest first, before all others, and the
    // position is found there. Without a value after Create.
    std::optional<GuestWindow> inflight;
    // The same memory, where writes to the device area leave other marks than all others do
    // (GuestMemory::WithLog). Without a value after Create.
    std::optional<GuestMemory> device_area;
  };

  // InvalidArgument for a size, an alignment or a position that the kind of ring does not allow;
  // OutOfRange for areas of which a byte is not guest memory. Messages name the area.
  // InvalidArgument also for an inflight region that makes no sense.
  static absl::StatusOr<VirtQueue> Create(const GuestMemory& memory, Config config);

  // The next chain, if there is one.
  std::optional<ReadableChain> Pop() {
    ChainSlot* const slot = core_->Take();
    if (slot == nullptr) return std::nullopt;
    return ReadableChain(slot);
  }

  // As if the chain had not been popped; Pop finds it again. For chains that were popped for what
  // then did not come. REQUIRES: it is the one of this queue that was popped last and not put back,
  // and nothing was written.
  void PutBack(WritableChain chain) { core_->PutBack(chain.Release()); }

  // Asks for a kick when the next chain is made available. True when there is one already, whose
  // kick may not come.
  [[nodiscard]] bool EnableKicks();
  // Says that kicks are not needed for now; they may come all the same.
  void DisableKicks();

  // Whether the driver wants an interrupt for what was completed since the last call. Ask after
  // each batch.
  [[nodiscard]] bool NeedsSignal();

  [[nodiscard]] bool broken() const { return core_->error() != nullptr; }
  // What is wrong with a broken queue.
  [[nodiscard]] absl::string_view error() const { return broken() ? core_->error() : ""; }

  // Chains that were popped and are not completed.
  [[nodiscard]] uint32_t in_flight() const { return core_->in_flight(); }
  // Where to go on after the queue is made again. Means something while nothing is in flight.
  [[nodiscard]] QueuePosition position() const;
  [[nodiscard]] const QueueStats& stats() const { return core_->stats(); }
  [[nodiscard]] const Config& config() const { return config_; }
  [[nodiscard]] const EventFd* kick() const { return config_.kick.get(); }

 private:
  struct Abandon {
    void operator()(QueueCore* core) const { core->Abandon(); }
  };

  static absl::StatusOr<VirtQueue> CreateTrackedSplit(const GuestMemory& memory, Config config);
  static absl::StatusOr<VirtQueue> CreateTrackedPacked(const GuestMemory& memory, Config config);

  VirtQueue(Config config, QueueCore* core) : config_(std::move(config)), core_(core) {}

  Config config_;
  std::unique_ptr<QueueCore, Abandon> core_;
};

}  // namespace touchstone

#endif  // TOUCHSTONE_DEVICES_VIRTIO_CORE_VIRT_QUEUE_H_
