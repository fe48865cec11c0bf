#include "devices/virtio/testing/direct_host.h"

#include <algorithm>
#include <utility>

namespace touchstone {

DirectHost::DirectHost(VirtioDevice& device, GuestMemory memory, const Kicks& kicks)
    : device_(device), memory_(std::move(memory)), pending_(device.max_queue_sizes().size()) {
  const size_t lent = std::min(kicks.size(), pending_.size());
  kicks_.assign(kicks.begin(), kicks.begin() + static_cast<ptrdiff_t>(lent));
  while (kicks_.size() < pending_.size()) {
    kicks_.push_back(std::make_shared<const EventFd>(EventFd::Create().value()));
  }
}

DirectHost::~DirectHost() { device_.Reset(); }

void DirectHost::ReadConfig(uint32_t offset, absl::Span<uint8_t> data) {
  std::fill(data.begin(), data.end(), 0);
  device_.ReadConfig(offset, data);
}

void DirectHost::WriteConfig(uint32_t offset, absl::Span<const uint8_t> data) {
  device_.WriteConfig(offset, data);
}

bool DirectHost::Negotiate(uint64_t features) {
  features_ = features;
  ready_ = false;
  return device_.Attach({.features = features, .memory = memory_, .interrupt = &interrupt_}).ok();
}

bool DirectHost::SetUpQueue(uint16_t index, const QueueLayout& layout,
                            const QueuePosition& position) {
  if (ready_) return Start(index, {layout, position});
  pending_[index] = {layout, position};
  return true;
}

bool DirectHost::DriverReady() {
  ready_ = true;
  for (uint16_t i = 0; i < pending_.size(); ++i) {
    if (!pending_[i].has_value()) continue;
    if (!Start(i, *std::exchange(pending_[i], std::nullopt))) return false;
  }
  return true;
}

bool DirectHost::Start(uint16_t index, const Pending& pending) {
  absl::StatusOr<VirtQueue> queue = VirtQueue::Create(memory_, {.layout = pending.layout,
                                                                .features = features_,
                                                                .position = pending.position,
                                                                .kick = kicks_[index]});
  const bool started = queue.ok() && device_.StartQueue(index, *std::move(queue)).ok();
  failed_ |= !started;
  return started;
}

std::optional<QueuePosition> DirectHost::StopQueue(uint16_t index) {
  absl::StatusOr<QueuePosition> position = device_.StopQueue(index);
  if (!position.ok()) return std::nullopt;
  return *position;
}

void DirectHost::Reset() {
  device_.Reset();
  ready_ = false;
  failed_ = false;
  broken_before_ = interrupt_.all_broken();
  std::fill(pending_.begin(), pending_.end(), std::nullopt);
}

bool DirectHost::needs_reset() { return failed_ || interrupt_.all_broken() > broken_before_; }

}  // namespace touchstone
