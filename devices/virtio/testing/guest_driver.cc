#include "devices/virtio/testing/guest_driver.h"

#include <utility>

#include "base/log.h"
#include "devices/virtio/core/virtio_features.h"

namespace touchstone {
namespace {

constexpr GuestAddress kStart{0x100000};

GuestMemory MemoryFor(const VirtioDevice& device, uint64_t queue_memory) {
  const uint64_t size = device.max_queue_sizes().size() * queue_memory;
  return GuestMemory::Create({{kStart, size}}, {}).value();
}

}  // namespace

GuestDriver::GuestDriver(VirtioDevice& device, Options options)
    : device_(device),
      options_(options),
      features_(device.features() & (options.features | kVirtioVersion1)),
      memory_(MemoryFor(device, options.queue_memory)) {
  for (size_t i = 0; i < device.max_queue_sizes().size(); ++i) {
    kicks_.push_back(std::make_shared<const EventFd>(EventFd::Create().value()));
  }
}

GuestDriver::~GuestDriver() { device_.Reset(); }

GuestMemory::RegionSpec GuestDriver::RangeOf(uint16_t index) const {
  return {kStart + index * options_.queue_memory, options_.queue_memory};
}

void GuestDriver::Prepare() {
  queues_.clear();
  for (uint16_t i = 0; i < kicks_.size(); ++i) {
    const uint32_t size =
        options_.queue_size == 0 ? device_.max_queue_sizes()[i] : options_.queue_size;
    queues_.push_back(std::make_unique<DriverQueue>(memory_, RangeOf(i), size, features_));
  }
  prepared_ = true;
}

void GuestDriver::Start() {
  if (!std::exchange(prepared_, false)) Prepare();
  prepared_ = false;
  CHECK(device_.Attach({.features = features_, .memory = memory_, .interrupt = &interrupt_}).ok());
  for (uint16_t i = 0; i < queues_.size(); ++i) StartQueue(i, {});
}

void GuestDriver::StartQueue(uint16_t index, QueuePosition position) {
  VirtQueue queue = VirtQueue::Create(memory_, {.layout = queues_[index]->layout(),
                                                .features = features_,
                                                .position = position,
                                                .kick = kicks_[index]})
                        .value();
  CHECK(device_.StartQueue(index, std::move(queue)).ok());
}

bool GuestDriver::Kick(uint16_t index) {
  if (!queues_[index]->NeedsKick()) return false;
  kicks_[index]->Signal();
  return true;
}

void GuestDriver::Scribble(uint16_t index, uint8_t value) {
  const uint32_t size = queues_[index]->layout().size;
  CHECK(memory_.Fill(RangeOf(index).start, RawSplitRing::BytesFor(size), value).ok());
}

}  // namespace touchstone
