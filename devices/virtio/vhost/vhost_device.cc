#include "devices/virtio/vhost/vhost_device.h"

#include <cstring>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/log.h"
#include "base/status.h"
#include "devices/virtio/core/virtio_features.h"
#include "devices/virtio/vhost/vhost_abi.h"

namespace touchstone {
namespace {

constexpr uint64_t kAlwaysOffered = kVirtioVersion1 | kVirtioEventIndex;

// Sizes of the areas of a split ring (Virtio 1.2, 2.7), event indices included.
uint64_t DriverAreaSize(uint32_t size) { return 6 + 2 * uint64_t{size}; }
uint64_t DeviceAreaSize(uint32_t size) { return 6 + 8 * uint64_t{size}; }

// Where the kernel finds an area.
absl::StatusOr<uint64_t> HostAddress(const GuestMemory& memory, GuestAddress start, uint64_t size) {
  ASSIGN_OR_RETURN(const GuestMemory::SliceList slices, memory.Slices(start, size));
  if (slices.size() != 1) {
    return absl::InvalidArgumentError("a ring's area is in two regions of memory");
  }
  return reinterpret_cast<uint64_t>(slices[0].iov_base);
}

}  // namespace

absl::StatusOr<uint64_t> VhostDevice::Claim(VhostControl& control) {
  RETURN_IF_ERROR(VHOST_CALL(control, VHOST_SET_OWNER, nullptr));
  uint64_t features = 0;
  RETURN_IF_ERROR(VHOST_CALL(control, VHOST_GET_FEATURES, &features));
  if ((features & kVirtioVersion1) == 0) {
    return absl::UnimplementedError("the kernel's device does not know virtio 1");
  }
  return features;
}

VhostDevice::VhostDevice(Traits traits, uint64_t available, std::unique_ptr<VhostControl> control,
                         EventLoop& loop)
    : traits_(std::move(traits)),
      control_(std::move(control)),
      loop_(loop),
      features_(((traits_.kernel_features | kAlwaysOffered) & available) | traits_.own_features),
      running_(traits_.queue_sizes.size()) {
  CHECK(traits_.kernel_queues <= running_.size());
}

VhostDevice::~VhostDevice() = default;

void VhostDevice::ReadConfig(uint32_t /*offset*/, absl::Span<uint8_t> /*data*/) {}

void VhostDevice::WriteConfig(uint32_t /*offset*/, absl::Span<const uint8_t> /*data*/) {}

absl::Status VhostDevice::Attach(Driver driver) {
  CHECK(!attached_ && driver.interrupt != nullptr);
  if ((driver.features & ~features_) != 0) {
    return absl::InvalidArgumentError("the driver has features that were not offered");
  }
  uint64_t features = (driver.features & ~traits_.own_features) | traits_.forced_features;
  RETURN_IF_ERROR(VHOST_CALL(*control_, VHOST_SET_FEATURES, &features));
  RETURN_IF_ERROR(SetMemory(driver.memory));
  driver_ = std::move(driver);
  attached_ = true;
  return absl::OkStatus();
}

absl::Status VhostDevice::SetMemory(const GuestMemory& memory) {
  const absl::Span<const GuestMemory::Region> regions = memory.regions();
  // A header with an array behind it, as the kernel wants it.
  std::vector<uint64_t> buffer(
      (sizeof(vhost_memory) + regions.size() * sizeof(vhost_memory_region)) / sizeof(uint64_t));
  vhost_memory header = {};
  header.nregions = static_cast<uint32_t>(regions.size());
  uint8_t* const bytes = reinterpret_cast<uint8_t*>(buffer.data());
  memcpy(bytes, &header, sizeof(header));
  for (size_t i = 0; i < regions.size(); ++i) {
    vhost_memory_region region = {};
    region.guest_phys_addr = Raw(regions[i].start);
    region.memory_size = regions[i].size;
    region.userspace_addr = reinterpret_cast<uint64_t>(regions[i].host);
    memcpy(bytes + sizeof(header) + i * sizeof(region), &region, sizeof(region));
  }
  return VHOST_CALL(*control_, VHOST_SET_MEM_TABLE, buffer.data());
}

absl::Status VhostDevice::StartQueue(uint16_t index, VirtQueue queue) {
  CHECK(attached_ && index < running_.size() && queue.kick() != nullptr);
  Running& running = running_[index];
  CHECK(!running.queue.has_value());
  running.queue.emplace(std::move(queue));
  if (index >= traits_.kernel_queues) {
    OwnQueueStarted(index, *running.queue);
    return absl::OkStatus();
  }
  absl::Status status = Prepare(index, running);
  if (status.ok()) status = Connect(index);
  if (!status.ok()) {
    Disconnect(index);
    driver_.interrupt->WatchTrigger(index, {});
    running = {};
    return status;
  }
  // There may be chains already, whose kick nobody has heard.
  running.queue->kick()->Signal();
  return absl::OkStatus();
}

absl::Status VhostDevice::Prepare(uint16_t index, Running& running) {
  ASSIGN_OR_RETURN(running.call, EventFd::Create());
  ASSIGN_OR_RETURN(running.error, EventFd::Create());
  RETURN_IF_ERROR(SetRing(index, *running.queue));
  RETURN_IF_ERROR(SetCall(index, nullptr));
  RETURN_IF_ERROR(SetFile(index, VHOST_SET_VRING_ERR, "VHOST_SET_VRING_ERR", running.error->fd()));
  RETURN_IF_ERROR(
      SetFile(index, VHOST_SET_VRING_KICK, "VHOST_SET_VRING_KICK", running.queue->kick()->fd()));
  running.call_watch = loop_.OnReadable(running.call->fd(), [this, index] { Called(index); });
  running.error_watch = loop_.OnReadable(running.error->fd(), [this, index] { Failed(index); });
  driver_.interrupt->WatchTrigger(index, [this, index](const EventFd* trigger) {
    if (absl::Status status = SetCall(index, trigger); !status.ok()) {
      LOG(kError, "vhost", "queue %d: %s", index, std::string(status.message()));
    }
  });
  running.prepared = true;
  return absl::OkStatus();
}

absl::Status VhostDevice::SetRing(uint16_t index, const VirtQueue& queue) {
  const QueueLayout& layout = queue.config().layout;
  vhost_vring_state size = {.index = index, .num = layout.size};
  RETURN_IF_ERROR(VHOST_CALL(*control_, VHOST_SET_VRING_NUM, &size));
  vhost_vring_state base = {.index = index, .num = queue.config().position.available};
  RETURN_IF_ERROR(VHOST_CALL(*control_, VHOST_SET_VRING_BASE, &base));
  vhost_vring_addr address = {};
  address.index = index;
  ASSIGN_OR_RETURN(address.desc_user_addr, HostAddress(driver_.memory, layout.descriptors,
                                                       uint64_t{layout.size} * kDescriptorSize));
  ASSIGN_OR_RETURN(address.avail_user_addr,
                   HostAddress(driver_.memory, layout.driver, DriverAreaSize(layout.size)));
  ASSIGN_OR_RETURN(address.used_user_addr,
                   HostAddress(driver_.memory, layout.device, DeviceAreaSize(layout.size)));
  return VHOST_CALL(*control_, VHOST_SET_VRING_ADDR, &address);
}

absl::Status VhostDevice::SetFile(uint16_t index, unsigned long request, const char* name, int fd) {
  vhost_vring_file file = {.index = index, .fd = fd};
  return control_->Call(request, name, &file);
}

absl::StatusOr<QueuePosition> VhostDevice::StopQueue(uint16_t index) {
  if (index >= running_.size() || !running_[index].queue.has_value()) {
    return absl::FailedPreconditionError(absl::StrCat("queue ", index, " does not run"));
  }
  Running& running = running_[index];
  if (!running.prepared) {
    const QueuePosition position = running.queue->position();
    running = {};
    return position;
  }
  Disconnect(index);
  driver_.interrupt->WatchTrigger(index, {});
  absl::Status status = SetFile(index, VHOST_SET_VRING_KICK, "VHOST_SET_VRING_KICK", -1);
  vhost_vring_state base = {.index = index, .num = 0};
  if (status.ok()) status = VHOST_CALL(*control_, VHOST_GET_VRING_BASE, &base);
  SetFile(index, VHOST_SET_VRING_CALL, "VHOST_SET_VRING_CALL", -1).IgnoreError();
  SetFile(index, VHOST_SET_VRING_ERR, "VHOST_SET_VRING_ERR", -1).IgnoreError();
  running.call_watch.Reset();
  running.error_watch.Reset();
  Called(index);  // What the loop has not got round to.
  running = {};
  RETURN_IF_ERROR(status);
  // The kernel returned all chains that it took.
  const auto position = static_cast<uint16_t>(base.num);
  return QueuePosition{.available = position, .used = position};
}

void VhostDevice::Reset() {
  for (uint16_t index = 0; index < running_.size(); ++index) {
    if (!running_[index].queue.has_value()) continue;
    if (absl::Status status = StopQueue(index).status(); !status.ok()) {
      LOG(kError, "vhost", "queue %d: %s", index, std::string(status.message()));
    }
  }
  driver_ = {};
  attached_ = false;
}

absl::StatusOr<std::string> VhostDevice::Save() {
  return absl::FailedPreconditionError(
      "the kernel works on its queues (vhost), and its state cannot be saved");
}

absl::Status VhostDevice::Restore(absl::string_view /*state*/) {
  return absl::InvalidArgumentError(
      "the kernel works on its queues (vhost), and takes no state that was saved");
}

absl::Status VhostDevice::SetCall(uint16_t index, const EventFd* trigger) {
  const int fd = trigger != nullptr ? trigger->fd() : running_[index].call->fd();
  return SetFile(index, VHOST_SET_VRING_CALL, "VHOST_SET_VRING_CALL", fd);
}

void VhostDevice::Called(uint16_t index) {
  if (running_[index].call->Drain() > 0) driver_.interrupt->SignalQueue(index);
}

void VhostDevice::Failed(uint16_t index) {
  if (running_[index].error->Drain() == 0) return;
  LOG(kWarning, "vhost", "device %d: the kernel gave up queue %d", traits_.device_id, index);
  driver_.interrupt->QueueBroken(index);
}

}  // namespace touchstone
