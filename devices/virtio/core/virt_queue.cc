#include "devices/virtio/core/virt_queue.h"

#include <atomic>
#include <utility>

#include "base/endian.h"
#include "base/status.h"
#include "devices/virtio/core/packed_inflight.h"
#include "devices/virtio/core/split_inflight.h"
#include "devices/virtio/core/virtio_features.h"

namespace touchstone {
namespace {

GuestMemory TakeDeviceArea(const GuestMemory& memory, VirtQueue::Config& config) {
  return std::exchange(config.device_area, std::nullopt).value_or(memory);
}

}  // namespace

absl::StatusOr<VirtQueue> VirtQueue::Create(const GuestMemory& memory, Config config) {
  const bool packed = (config.features & kVirtioPackedRing) != 0;
  if (config.inflight.has_value()) {
    return packed ? CreateTrackedPacked(memory, std::move(config))
                  : CreateTrackedSplit(memory, std::move(config));
  }
  if (packed) {
    ASSIGN_OR_RETURN(PackedRing ring,
                     PackedRing::Create(memory, TakeDeviceArea(memory, config), config.layout,
                                        config.features, config.position));
    auto* const core = new QueueCore(memory, config.layout.size, std::move(ring));
    return VirtQueue(std::move(config), core);
  }
  ASSIGN_OR_RETURN(SplitRing ring,
                   SplitRing::Create(memory, TakeDeviceArea(memory, config), config.layout,
                                     config.features, config.position));
  auto* const core = new QueueCore(memory, config.layout.size, std::move(ring));
  return VirtQueue(std::move(config), core);
}

absl::StatusOr<VirtQueue> VirtQueue::CreateTrackedSplit(const GuestMemory& memory, Config config) {
  const absl::StatusOr<Le16> used = memory.ReadObject<Le16>(config.layout.device + kSplitRingIndex);
  if (!used.ok()) return Annotate(used.status(), "device area");
  ASSIGN_OR_RETURN(SplitInflight inflight,
                   SplitInflight::Create(*std::move(config.inflight), config.layout.size, *used,
                                         config.position));
  config.inflight.reset();
  config.position = inflight.position();
  ASSIGN_OR_RETURN(SplitRing ring,
                   SplitRing::Create(memory, TakeDeviceArea(memory, config), config.layout,
                                     config.features, config.position));
  auto* const core = new QueueCore(memory, config.layout.size, std::move(ring));
  core->Track(std::move(inflight));
  return VirtQueue(std::move(config), core);
}

absl::StatusOr<VirtQueue> VirtQueue::CreateTrackedPacked(const GuestMemory& memory, Config config) {
  const uint32_t size = config.layout.size;
  const absl::StatusOr<GuestWindow> table = GuestWindow::Create(
      memory, config.layout.descriptors, uint64_t{size} * kDescriptorSize, kDescriptorSize);
  if (!table.ok()) return Annotate(table.status(), "descriptor area");
  const auto flags_of = [&table](uint16_t index) {
    return table->Load<uint16_t>(index * kDescriptorSize + kPackedFlags, std::memory_order_acquire);
  };
  ASSIGN_OR_RETURN(
      PackedInflight inflight,
      PackedInflight::Create(*std::move(config.inflight), size, flags_of, config.position));
  config.inflight.reset();
  config.position = inflight.position();
  ASSIGN_OR_RETURN(PackedRing ring,
                   PackedRing::Create(memory, TakeDeviceArea(memory, config), config.layout,
                                      config.features, config.position));
  auto* const core = new QueueCore(memory, size, std::move(ring));
  core->Track(std::move(inflight));
  return VirtQueue(std::move(config), core);
}

bool VirtQueue::EnableKicks() {
  if (broken()) return false;
  if (core_->may_resubmit()) return true;
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
