#include "devices/virtio/core/virt_queue.h"

#include <atomic>
#include <utility>

#include "base/status.h"
#include "devices/virtio/core/virtio_features.h"

namespace touchstone {

absl::StatusOr<VirtQueue> VirtQueue::Create(const GuestMemory& memory, Config config) {
  if ((config.features & kVirtioPackedRing) != 0) {
    ASSIGN_OR_RETURN(PackedRing ring,
                     PackedRing::Create(memory, config.layout, config.features, config.position));
    auto* const core = new QueueCore(memory, config.layout.size, std::move(ring));
    return VirtQueue(std::move(config), core);
  }
  ASSIGN_OR_RETURN(SplitRing ring,
                   SplitRing::Create(memory, config.layout, config.features, config.position));
  auto* const core = new QueueCore(memory, config.layout.size, std::move(ring));
  return VirtQueue(std::move(config), core);
}

bool VirtQueue::EnableKicks() {
  if (broken()) return false;
  return core_->WithRing([](auto& ring) {
    ring.EnableKicks();
    // The driver reads what was just written after it made a chain available; with both fences, one
    // side sees the other's store (Virtio 1.2, 2.7.13.4.1).
    std::atomic_thread_fence(std::memory_order_seq_cst);
    const char* error = nullptr;
    return ring.HasNext(error) || error != nullptr;
  });
}

void VirtQueue::DisableKicks() {
  core_->WithRing([](auto& ring) { ring.DisableKicks(); });
}

bool VirtQueue::NeedsSignal() {
  // As above: returned chains are visible before it is read whether the driver wants to hear.
  std::atomic_thread_fence(std::memory_order_seq_cst);
  return core_->WithRing([](auto& ring) { return ring.NeedsSignal(); });
}

QueuePosition VirtQueue::position() const {
  return core_->WithRing([](auto& ring) { return ring.position(); });
}

}  // namespace touchstone
