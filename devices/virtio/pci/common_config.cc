#include "devices/virtio/pci/common_config.h"

#include <algorithm>
#include <array>
#include <limits>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/endian.h"
#include "base/log.h"
#include "base/status.h"
#include "devices/virtio/core/virtio_features.h"
#include "devices/virtio/pci/virtio_pci_registers.h"
#include "devices/virtio/pci/virtio_pci_state.pb.h"

namespace touchstone {
namespace {

constexpr uint8_t kDriverBits =
    kVirtioAcknowledge | kVirtioDriver | kVirtioFeaturesOk | kVirtioDriverOk | kVirtioFailed;

uint64_t WithHalf(uint64_t value, bool high, uint32_t half) {
  return high ? (value & 0xFFFF'FFFF) | uint64_t{half} << 32
              : (value & ~uint64_t{0xFFFF'FFFF}) | half;
}

// Of the driver's or the device's area (Virtio 1.2, 2.7.6 and 2.7.8).
std::optional<uint16_t> SplitIndex(const GuestMemory& memory, GuestAddress area) {
  const absl::StatusOr<Le16> index = memory.ReadObject<Le16>(area + 2);
  if (!index.ok()) return std::nullopt;
  return index->get();
}

}  // namespace

CommonConfig::CommonConfig(VirtioDevice& device, GuestMemory memory, PciInterrupt& interrupt,
                           const Kicks& kicks, uint64_t transport_features)
    : device_(device),
      memory_(std::move(memory)),
      interrupt_(interrupt),
      kicks_(kicks),
      transport_features_(transport_features),
      queues_(device.max_queue_sizes().size()) {
  CHECK(kicks_.size() == queues_.size());
  for (uint16_t i = 0; i < queue_count(); ++i) ClearQueue(i);
}

uint64_t CommonConfig::OfferedFeatures() const { return device_.features() | transport_features_; }

const CommonConfig::Queue* CommonConfig::Selected() const {
  return queue_select_ < queues_.size() ? &queues_[queue_select_] : nullptr;
}

CommonConfig::Queue* CommonConfig::Selected() {
  return queue_select_ < queues_.size() ? &queues_[queue_select_] : nullptr;
}

uint8_t CommonConfig::status() const {
  return status_ | (interrupt_.needs_reset() ? kVirtioNeedsReset : 0);
}

VirtioPciView CommonConfig::View() const {
  VirtioPciView view = {
      .device_id = device_.device_id(), .status = status(), .features = driver_features_};
  const bool packed = (driver_features_ & kVirtioPackedRing) != 0;
  for (const Queue& queue : queues_) {
    VirtioPciView::Queue& shown = view.queues.emplace_back();
    shown.size = queue.layout.size;
    shown.running = queue.running;
    if (!queue.running || packed) continue;
    shown.available = SplitIndex(memory_, queue.layout.driver);
    shown.used = SplitIndex(memory_, queue.layout.device);
  }
  return view;
}

// Virtio 1.2, 4.1.4.3.1: only the first 64 bits exist, the others read as 0.
uint64_t CommonConfig::SelectedHalf(uint64_t features, uint32_t select) const {
  return select < 2 ? features >> (32 * select) & 0xFFFF'FFFF : 0;
}

void CommonConfig::Read(uint64_t offset, absl::Span<uint8_t> data) const {
  if (offset >= kVirtioCommonSize) return;
  std::array<uint8_t, kVirtioCommonSize> image = {};
  const auto put = [&image](uint32_t at, uint64_t value, size_t size) {
    StoreLe(value, absl::MakeSpan(image).subspan(at, size));
  };
  put(kVirtioDeviceFeatureSelect, device_feature_select_, 4);
  put(kVirtioDeviceFeature, SelectedHalf(OfferedFeatures(), device_feature_select_), 4);
  put(kVirtioDriverFeatureSelect, driver_feature_select_, 4);
  put(kVirtioDriverFeature, SelectedHalf(driver_features_, driver_feature_select_), 4);
  put(kVirtioConfigVector, interrupt_.config_vector(), 2);
  put(kVirtioQueueCount, queues_.size(), 2);
  put(kVirtioStatus, status(), 1);
  put(kVirtioConfigGeneration, interrupt_.generation(), 1);
  put(kVirtioQueueSelect, queue_select_, 2);
  // Virtio 1.2, 4.1.4.3.1: a queue that does not exist has size 0.
  put(kVirtioQueueVector, kVirtioNoVector, 2);
  if (const Queue* queue = Selected(); queue != nullptr) {
    put(kVirtioQueueSize, queue->layout.size, 2);
    put(kVirtioQueueVector, interrupt_.queue_vector(queue_select_), 2);
    put(kVirtioQueueEnable, queue->enabled ? 1 : 0, 2);
    put(kVirtioQueueNotifyOffset, queue_select_, 2);
    put(kVirtioQueueDescriptors, Raw(queue->layout.descriptors), 8);
    put(kVirtioQueueDriver, Raw(queue->layout.driver), 8);
    put(kVirtioQueueDevice, Raw(queue->layout.device), 8);
    put(kVirtioQueueNotifyData, queue_select_, 2);
  }
  const size_t size = std::min<size_t>(data.size(), kVirtioCommonSize - offset);
  std::copy_n(image.begin() + static_cast<ptrdiff_t>(offset), size, data.begin());
}

void CommonConfig::Write(uint64_t offset, absl::Span<const uint8_t> data) {
  if (offset >= kVirtioCommonSize) return;
  const uint32_t at = static_cast<uint32_t>(offset);
  const uint64_t value = LoadLe(data);
  switch (data.size()) {
    case 1:
      if (at == kVirtioStatus) WriteStatus(static_cast<uint8_t>(value));
      return;
    case 2:
      return WriteWord(at, static_cast<uint16_t>(value));
    case 4:
      return WriteDword(at, static_cast<uint32_t>(value));
    case 8:
      // Virtio 1.2, 4.1.3.1: quadwords may come as two dwords; whole ones are as good.
      if (at < kVirtioQueueDescriptors || at % 8 != 0) return;
      WriteDword(at, static_cast<uint32_t>(value));
      WriteDword(at + 4, static_cast<uint32_t>(value >> 32));
      return;
    default:
      return;
  }
}

void CommonConfig::WriteDword(uint32_t offset, uint32_t value) {
  switch (offset) {
    case kVirtioDeviceFeatureSelect:
      device_feature_select_ = value;
      return;
    case kVirtioDriverFeatureSelect:
      driver_feature_select_ = value;
      return;
    case kVirtioDriverFeature:
      return WriteDriverFeature(value);
    default:
      return WriteQueueAddress(offset, value);
  }
}

void CommonConfig::WriteWord(uint32_t offset, uint16_t value) {
  Queue* const queue = Selected();
  switch (offset) {
    case kVirtioConfigVector:
      return interrupt_.SetConfigVector(value);
    case kVirtioQueueSelect:
      queue_select_ = value;
      return;
    case kVirtioQueueSize:
      if (queue != nullptr && !queue->enabled && value != 0 &&
          value <= device_.max_queue_sizes()[queue_select_]) {
        queue->layout.size = value;
      }
      return;
    case kVirtioQueueVector:
      // Where interrupts go is no part of the queue: drivers take the vector away from queues that
      // run.
      if (queue != nullptr) interrupt_.SetQueueVector(queue_select_, value);
      return;
    case kVirtioQueueEnable:
      if (queue != nullptr && value == 1) EnableQueue();
      return;
    case kVirtioQueueReset:
      if (queue != nullptr && value == 1) ResetQueue();
      return;
    default:
      return;
  }
}

void CommonConfig::WriteDriverFeature(uint32_t value) {
  // Virtio 1.2, 2.2.1 and 3.1.1: nothing changes after FEATURES_OK.
  if ((status_ & kVirtioFeaturesOk) != 0 || driver_feature_select_ > 1) return;
  driver_features_ = WithHalf(driver_features_, driver_feature_select_ == 1, value);
}

void CommonConfig::WriteQueueAddress(uint32_t offset, uint32_t value) {
  Queue* const queue = Selected();
  if (queue == nullptr || queue->enabled || offset % 4 != 0) return;
  const auto set = [&](GuestAddress& address) {
    address = GuestAddress{WithHalf(Raw(address), offset % 8 == 4, value)};
  };
  switch (offset & ~uint32_t{7}) {
    case kVirtioQueueDescriptors:
      return set(queue->layout.descriptors);
    case kVirtioQueueDriver:
      return set(queue->layout.driver);
    case kVirtioQueueDevice:
      return set(queue->layout.device);
    default:
      return;
  }
}

void CommonConfig::WriteStatus(uint8_t value) {
  if (value == 0) return Reset();
  // Virtio 1.2, 2.1.1: the driver MUST NOT clear a bit; only a reset does.
  uint8_t added = value & kDriverBits & ~status_;
  // Virtio 1.2, 2.2.2: the device MUST NOT accept features that it did not offer; it shows that by
  // not keeping FEATURES_OK. 6.1: there is no legacy interface.
  const bool acceptable =
      (driver_features_ & ~OfferedFeatures()) == 0 && (driver_features_ & kVirtioVersion1) != 0;
  if (!acceptable) added &= ~kVirtioFeaturesOk;
  status_ |= added & ~kVirtioDriverOk;
  // Virtio 1.2, 3.1.1: the driver is ready after the features are settled, or not at all.
  if ((added & kVirtioDriverOk) == 0 || (status_ & kVirtioFeaturesOk) == 0) return;
  status_ |= kVirtioDriverOk;
  Activate();
}

void CommonConfig::EnableQueue() {
  Queue& queue = *Selected();
  if (queue.enabled) return;
  const bool active = (status_ & kVirtioDriverOk) != 0;
  // Virtio 1.2, 2.6.1: only a queue that was reset is enabled while the device runs.
  if (active && (driver_features_ & kVirtioRingReset) == 0) return;
  queue.enabled = true;
  if (!active || interrupt_.needs_reset()) return;
  if (absl::Status started = StartQueue(queue_select_); !started.ok()) {
    LOG(kWarning, "virtio", "device %d: %s", device_.device_id(), std::string(started.message()));
    interrupt_.SetNeedsReset();
  }
}

// Virtio 1.2, 2.6.1 and 4.1.4.3.1. The queue is reset when the write returns, so that the register
// never reads 1.
void CommonConfig::ResetQueue() {
  const bool negotiated =
      (status_ & kVirtioFeaturesOk) != 0 && (driver_features_ & kVirtioRingReset) != 0;
  if (!negotiated) return;
  if (Selected()->running) {
    if (absl::Status stopped = device_.StopQueue(queue_select_).status(); !stopped.ok()) {
      LOG(kWarning, "virtio", "device %d: %s", device_.device_id(), std::string(stopped.message()));
      return interrupt_.SetNeedsReset();
    }
  }
  ClearQueue(queue_select_);
  interrupt_.SetQueueVector(queue_select_, kVirtioNoVector);
}

void CommonConfig::Activate() {
  if (absl::Status started = StartDevice(); !started.ok()) {
    LOG(kWarning, "virtio", "device %d: %s", device_.device_id(), std::string(started.message()));
    interrupt_.SetNeedsReset();
  }
}

absl::Status CommonConfig::AttachDevice() {
  return device_.Attach({.features = driver_features_ & device_.features(),
                         .memory = memory_,
                         .interrupt = &interrupt_});
}

absl::Status CommonConfig::StartDevice() {
  RETURN_IF_ERROR(AttachDevice());
  for (uint16_t i = 0; i < queue_count(); ++i) {
    if (queues_[i].enabled) RETURN_IF_ERROR(StartQueue(i));
  }
  return absl::OkStatus();
}

VirtQueue::Config CommonConfig::ConfigOf(uint16_t index, const QueuePosition& position) const {
  return {.layout = queues_[index].layout,
          .features = driver_features_,
          .position = position,
          .kick = kicks_[index]};
}

absl::Status CommonConfig::StartQueue(uint16_t index, const QueuePosition& position) {
  absl::StatusOr<VirtQueue> queue = VirtQueue::Create(memory_, ConfigOf(index, position));
  absl::Status status = queue.status();
  if (status.ok()) status = device_.StartQueue(index, *std::move(queue));
  if (!status.ok()) return Annotate(status, absl::StrCat("queue ", index));
  queues_[index].running = true;
  return absl::OkStatus();
}

absl::Status CommonConfig::Sleep() {
  for (uint16_t i = 0; i < queue_count(); ++i) {
    if (!queues_[i].running || queues_[i].asleep.has_value()) continue;
    const absl::StatusOr<QueuePosition> position = device_.StopQueue(i);
    if (!position.ok()) {
      // What the driver has to reset works on nothing until then.
      if (interrupt_.needs_reset() && !absl::IsUnavailable(position.status())) {
        queues_[i].running = false;
        continue;
      }
      WakeUp();
      return Annotate(position.status(), absl::StrCat("queue ", i));
    }
    queues_[i].asleep = *position;
  }
  return absl::OkStatus();
}

void CommonConfig::WakeUp() {
  for (uint16_t i = 0; i < queue_count(); ++i) {
    if (!queues_[i].asleep.has_value()) continue;
    const QueuePosition position = *std::exchange(queues_[i].asleep, std::nullopt);
    const absl::Status started = StartQueue(i, position);
    if (started.ok()) continue;
    queues_[i].running = false;
    LOG(kWarning, "virtio", "device %d: %s", device_.device_id(), std::string(started.message()));
    interrupt_.SetNeedsReset();
  }
}

void CommonConfig::ClearQueue(uint16_t index) {
  // Virtio 1.2, 4.1.4.3: after a reset the size is the largest that the device supports.
  queues_[index] = {.layout = {.size = device_.max_queue_sizes()[index]}};
}

void CommonConfig::Reset() {
  device_.Reset();
  for (uint16_t i = 0; i < queue_count(); ++i) ClearQueue(i);
  interrupt_.Reset();
  device_feature_select_ = 0;
  driver_feature_select_ = 0;
  driver_features_ = 0;
  queue_select_ = 0;
  status_ = 0;
}

absl::Status CommonConfig::Save(VirtioPciState& state) {
  state.set_device_feature_select(device_feature_select_);
  state.set_driver_feature_select(driver_feature_select_);
  state.set_driver_features(driver_features_);
  state.set_status(status());
  state.set_queue_select(queue_select_);
  for (const Queue& queue : queues_) {
    if (queue.running && !queue.asleep.has_value()) {
      return absl::FailedPreconditionError("its queues do not sleep");
    }
    VirtioQueueState& saved = *state.add_queues();
    saved.set_size(queue.layout.size);
    saved.set_descriptors(Raw(queue.layout.descriptors));
    saved.set_driver(Raw(queue.layout.driver));
    saved.set_device(Raw(queue.layout.device));
    saved.set_enabled(queue.enabled);
    if (!queue.asleep.has_value()) continue;
    VirtioQueuePosition& position = *saved.mutable_position();
    position.set_available(queue.asleep->available);
    position.set_used(queue.asleep->used);
    position.set_available_wrap(queue.asleep->available_wrap);
    position.set_used_wrap(queue.asleep->used_wrap);
  }
  ASSIGN_OR_RETURN(*state.mutable_device(), device_.Save());
  return absl::OkStatus();
}

absl::Status CommonConfig::Restore(const VirtioPciState& state) {
  if (static_cast<size_t>(state.queues_size()) != queues_.size()) {
    return absl::InvalidArgumentError(
        absl::StrCat("the state has ", state.queues_size(), " queues, not ", queues_.size()));
  }
  const uint64_t features = state.driver_features();
  const bool settled = (state.status() & kVirtioFeaturesOk) != 0;
  if (settled && ((features & ~OfferedFeatures()) != 0 || (features & kVirtioVersion1) == 0)) {
    return absl::InvalidArgumentError(absl::StrCat("the state's features 0x", absl::Hex(features),
                                                   " are not among the device's 0x",
                                                   absl::Hex(OfferedFeatures())));
  }
  const bool ready = (state.status() & kVirtioDriverOk) != 0;
  if ((state.status() & ~uint32_t{kDriverBits | kVirtioNeedsReset}) != 0 || (ready && !settled)) {
    return absl::InvalidArgumentError(
        absl::StrCat("no device has the status 0x", absl::Hex(state.status())));
  }
  if (state.queue_select() > std::numeric_limits<uint16_t>::max()) {
    return absl::InvalidArgumentError(absl::StrCat("queue ", state.queue_select(), " is selected"));
  }
  device_feature_select_ = state.device_feature_select();
  driver_feature_select_ = state.driver_feature_select();
  driver_features_ = features;
  status_ = static_cast<uint8_t>(state.status() & kDriverBits);
  queue_select_ = static_cast<uint16_t>(state.queue_select());
  const bool needs_reset = (state.status() & kVirtioNeedsReset) != 0;
  bool works = ready && !needs_reset;
  for (uint16_t i = 0; i < queue_count(); ++i) {
    RETURN_IF_ERROR(Annotate(RestoreQueue(i, state.queues(i)), absl::StrCat("queue ", i)));
    works |= queues_[i].running;
  }
  interrupt_.Restore(state, needs_reset);
  RETURN_IF_ERROR(device_.Restore(state.device()));
  return works ? AttachDevice() : absl::OkStatus();
}

absl::Status CommonConfig::RestoreQueue(uint16_t index, const VirtioQueueState& saved) {
  if (saved.size() == 0 || saved.size() > device_.max_queue_sizes()[index]) {
    return absl::InvalidArgumentError(
        absl::StrCat(saved.size(), " entries; there are 1 to ", device_.max_queue_sizes()[index]));
  }
  Queue& queue = queues_[index];
  queue = {.layout = {.size = saved.size(),
                      .descriptors = GuestAddress{saved.descriptors()},
                      .driver = GuestAddress{saved.driver()},
                      .device = GuestAddress{saved.device()}},
           .enabled = saved.enabled()};
  if (!saved.has_position()) return absl::OkStatus();
  if (!queue.enabled || (status_ & kVirtioDriverOk) == 0) {
    return absl::InvalidArgumentError("the device works on it, and it is not enabled");
  }
  const VirtioQueuePosition& at = saved.position();
  if (at.available() > std::numeric_limits<uint16_t>::max() ||
      at.used() > std::numeric_limits<uint16_t>::max()) {
    return absl::InvalidArgumentError("no queue has that position");
  }
  const QueuePosition position = {.available = static_cast<uint16_t>(at.available()),
                                  .used = static_cast<uint16_t>(at.used()),
                                  .available_wrap = at.available_wrap(),
                                  .used_wrap = at.used_wrap()};
  // Made again when it wakes up.
  RETURN_IF_ERROR(VirtQueue::Create(memory_, ConfigOf(index, position)).status());
  queue.running = true;
  queue.asleep = position;
  // A kick that had not been taken is not known any more.
  kicks_[index]->Signal();
  return absl::OkStatus();
}

}  // namespace touchstone
