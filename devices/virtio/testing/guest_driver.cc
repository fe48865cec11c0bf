#include "devices/virtio/testing/guest_driver.h"

#include <algorithm>
#include <utility>

#include "base/log.h"
#include "devices/virtio/core/virtio_features.h"

namespace touchstone {
namespace {

constexpr GuestAddress kStart{0x100000};

}  // namespace

GuestMemory GuestDriver::MemoryFor(size_t queues, uint64_t queue_memory,
                                   GuestMemory::Backing backing) {
  return GuestMemory::Create({{kStart, queues * queue_memory}}, {.backing = backing}).value();
}

GuestDriver::GuestDriver(VirtioDevice& device, Options options)
    : own_host_(std::make_unique<DirectHost>(
          device, MemoryFor(device.max_queue_sizes().size(), options.queue_memory))),
      host_(*own_host_),
      options_(options),
      features_(host_.features() & (options.features | kVirtioVersion1)) {}

GuestDriver::GuestDriver(VirtioHost& host, Options options)
    : host_(host),
      options_(options),
      features_(host_.features() & (options.features | kVirtioVersion1)) {}

GuestDriver::~GuestDriver() { host_.Reset(); }

GuestMemory::RegionSpec GuestDriver::RangeOf(uint16_t index) const {
  return {kStart + index * options_.queue_memory, options_.queue_memory};
}

void GuestDriver::Prepare() {
  queues_.clear();
  queues_.resize(host_.max_queue_sizes().size());
  for (uint16_t i = 0; i < queues_.size(); ++i) PrepareQueue(i);
  prepared_ = true;
}

void GuestDriver::PrepareQueue(uint16_t index) {
  const uint32_t max = host_.max_queue_sizes()[index];
  const uint32_t size = options_.queue_size == 0 ? max : std::min(options_.queue_size, max);
  queues_[index] = std::make_unique<DriverQueue>(memory(), RangeOf(index), size, features_);
}

void GuestDriver::Start() {
  if (!std::exchange(prepared_, false)) Prepare();
  prepared_ = false;
  CHECK(host_.Negotiate(features_));
  for (uint16_t i = 0; i < queues_.size(); ++i) StartQueue(i, {});
  CHECK(host_.DriverReady());
}

void GuestDriver::StartQueue(uint16_t index, QueuePosition position) {
  CHECK(host_.SetUpQueue(index, queues_[index]->layout(), position));
}

void GuestDriver::RestartQueue(uint16_t index) {
  const std::optional<QueuePosition> position = host_.StopQueue(index);
  CHECK(position.has_value());
  if (!host_.keeps_positions()) PrepareQueue(index);
  StartQueue(index, *position);
}

void GuestDriver::Restart() {
  host_.Reset();
  Start();
}

bool GuestDriver::Kick(uint16_t index) {
  if (!queues_[index]->NeedsKick()) return false;
  host_.Kick(index);
  return true;
}

void GuestDriver::Scribble(uint16_t index, uint8_t value) {
  const uint32_t size = queues_[index]->layout().size;
  CHECK(memory().Fill(RangeOf(index).start, RawSplitRing::BytesFor(size), value).ok());
}

}  // namespace touchstone
