#include "devices/virtio/core/queue_device.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "base/log.h"
#include "devices/virtio/core/virtio_features.h"

namespace touchstone {

QueueDevice::QueueDevice(Traits traits, EventLoop& loop)
    : traits_{.device_id = traits.device_id,
              .queue_sizes = std::move(traits.queue_sizes),
              .features = traits.features | kVirtioVersion1 | kVirtioEventIndex},
      loop_(loop),
      running_(traits_.queue_sizes.size()),
      kicks_(traits_.queue_sizes.size()) {}

void QueueDevice::ReadConfig(uint32_t /*offset*/, absl::Span<uint8_t> /*data*/) {}

void QueueDevice::WriteConfig(uint32_t /*offset*/, absl::Span<const uint8_t> /*data*/) {}

absl::Status QueueDevice::Attach(Driver driver) {
  CHECK(!attached_ && driver.interrupt != nullptr);
  if ((driver.features & ~traits_.features) != 0) {
    return absl::InvalidArgumentError("the driver has features that were not offered");
  }
  driver_ = std::move(driver);
  attached_ = true;
  MutexLock lock(signal_mutex_);
  interrupt_ = driver_.interrupt;
  return absl::OkStatus();
}

absl::Status QueueDevice::StartQueue(uint16_t index, VirtQueue queue) {
  CHECK(attached_ && index < running_.size() && queue.kick() != nullptr);
  Running& running = running_[index];
  CHECK(!running.queue.has_value());
  running.queue.emplace(std::move(queue));
  running.reported = false;
  running.unheard = false;
  running.flushed = 0;
  {
    MutexLock lock(signal_mutex_);
    kicks_[index] = running.queue->config().kick;
  }
  // There may be chains already, whose kick somebody else has taken.
  const EventFd& kick = *running.queue->kick();
  kick.Signal();
  running.watch = LoopOf(index).OnReadable(kick.fd(), [this, index] { Kicked(index); });
  return absl::OkStatus();
}

absl::StatusOr<QueuePosition> QueueDevice::StopQueue(uint16_t index) {
  if (index >= running_.size() || !running_[index].queue.has_value()) {
    return absl::FailedPreconditionError(absl::StrCat("queue ", index, " does not run"));
  }
  Running& running = running_[index];
  running.watch.Reset();  // Waits for Kicked.
  Drain(index);
  {
    MutexLock lock(signal_mutex_);
    kicks_[index] = nullptr;
  }
  Flush(index);
  const QueuePosition position = running.queue->position();
  running.queue.reset();
  return position;
}

void QueueDevice::Reset() {
  for (size_t index = 0; index < running_.size(); ++index) {
    if (running_[index].queue.has_value()) StopQueue(static_cast<uint16_t>(index)).IgnoreError();
  }
  {
    MutexLock lock(signal_mutex_);
    interrupt_ = nullptr;
  }
  driver_ = {};
  attached_ = false;
  OnReset();
}

absl::StatusOr<std::string> QueueDevice::Save() { return std::string(); }

absl::Status QueueDevice::Restore(absl::string_view state) {
  if (state.empty()) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat("a device without state cannot take ", state.size(), " bytes of it"));
}

void QueueDevice::Flush(uint16_t queue) {
  Running& running = running_[queue];
  const uint64_t completed = running.queue->stats().completed;
  const bool any = std::exchange(running.flushed, completed) != completed;
  if (running.queue->NeedsSignal()) {
    running.unheard = false;
    driver_.interrupt->SignalQueue(queue);
  } else if (any) {
    running.unheard = true;
  }
  if (!running.queue->broken() || running.reported) return;
  running.reported = true;
  LOG(kWarning, "virtio", "device %d, queue %d: %s", traits_.device_id, queue,
      running.queue->error());
  driver_.interrupt->QueueBroken(queue);
}

bool QueueDevice::Resume(uint16_t queue) {
  MutexLock lock(signal_mutex_);
  if (kicks_[queue] == nullptr) return false;
  kicks_[queue]->Signal();
  return true;
}

void QueueDevice::SignalConfig() {
  MutexLock lock(signal_mutex_);
  if (interrupt_ != nullptr) interrupt_->SignalConfig();
}

void QueueDevice::Kicked(uint16_t index) {
  VirtQueue& queue = *running_[index].queue;
  queue.kick()->Drain();
  OnKick(index, queue);
}

void QueueDevice::OnKick(uint16_t index, VirtQueue& queue) {
  queue.DisableKicks();
  int served = 0;
  bool accepts = true;
  do {
    while (served < kChainsPerTurn) {
      accepts = Accepts(index);
      std::optional<ReadableChain> chain = accepts ? queue.Pop() : std::nullopt;
      if (!chain.has_value()) break;
      ++served;
      Handle(index, *std::move(chain));
    }
    if (served == kChainsPerTurn) {
      queue.kick()->Signal();  // The rest has its turn later.
      break;
    }
    // Kicks would change nothing: Resume is the next signal.
  } while (accepts && !LooksAgain(index, served) && queue.EnableKicks());
  EndBatch(index);
  Flush(index);
}

}  // namespace touchstone
