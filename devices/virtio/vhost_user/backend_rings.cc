#include "devices/virtio/vhost_user/backend_rings.h"

#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/log.h"
#include "base/status.h"
#include "devices/virtio/core/virtio_features.h"
#include "devices/virtio/vhost_user/ring_base.h"

namespace touchstone {
namespace {

// VirtQueue does these for any device. QEMU 7.2 has its guests use them with a vhost-user-rng
// whatever the back end says.
constexpr uint64_t kQueueFeatures = kVirtioIndirectDescriptors;

bool SamePlace(const VhostUserVringAddress& a, const VhostUserVringAddress& b) {
  return a.descriptors.get() == b.descriptors && a.used.get() == b.used &&
         a.available.get() == b.available;
}

bool SameLogging(const VhostUserVringAddress& a, const VhostUserVringAddress& b) {
  return a.flags.get() == b.flags && a.log.get() == b.log;
}

absl::Status Failed(const absl::Status& status) {
  if (status.ok()) return status;
  return absl::AbortedError(status.message());
}

}  // namespace

VhostUserBackendRings::VhostUserBackendRings(VirtioDevice& device,
                                             const VhostUserMemoryTable& table,
                                             VirtioInterrupt& interrupt)
    : device_(device),
      interrupt_(interrupt),
      rings_(device.max_queue_sizes().size()),
      table_(table) {}

VhostUserBackendRings::~VhostUserBackendRings() { Reset(); }

uint64_t VhostUserBackendRings::features() const {
  return device_.features() | kQueueFeatures | kVhostUserProtocolFeatures |
         (device_.writes_by_queues() ? kVhostUserLogAll : 0);
}

bool VhostUserBackendRings::packed() const { return (features_ & kVirtioPackedRing) != 0; }

absl::Status VhostUserBackendRings::CheckIndex(uint64_t index) const {
  if (index < rings_.size()) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat("there is no ring ", index, " among ", rings_.size()));
}

absl::Status VhostUserBackendRings::CheckStopped(uint64_t index) const {
  RETURN_IF_ERROR(CheckIndex(index));
  if (!rings_[index].running) return absl::OkStatus();
  return absl::FailedPreconditionError(absl::StrCat("ring ", index, " runs"));
}

bool VhostUserBackendRings::any_running() const {
  for (const Ring& ring : rings_) {
    if (ring.running) return true;
  }
  return false;
}

absl::Status VhostUserBackendRings::SetFeatures(uint64_t features) {
  if ((features & ~this->features()) != 0) {
    return absl::InvalidArgumentError(
        absl::StrCat("features that were not offered: ", absl::Hex(features & ~this->features())));
  }
  if (features == features_) return absl::OkStatus();
  if ((features ^ features_) == kVhostUserLogAll) {
    features_ = features;
    return log_ != nullptr ? Restart() : absl::OkStatus();
  }
  if (any_running()) return absl::FailedPreconditionError("a ring runs");
  // An idle device keeps what was restored into it.
  if (attached_) device_.Reset();
  attached_ = false;
  features_ = features;
  return absl::OkStatus();
}

absl::Status VhostUserBackendRings::MemoryChanged() {
  if (!attached_) return absl::OkStatus();
  stale_ = true;
  return any_running() ? AttachAnew() : absl::OkStatus();
}

absl::Status VhostUserBackendRings::SetLog(std::shared_ptr<const DirtyLog> log) {
  log_ = std::move(log);
  return logging() ? Restart() : absl::OkStatus();
}

absl::Status VhostUserBackendRings::SetLogEvent(std::shared_ptr<const EventFd> event) {
  log_event_ = std::move(event);
  return logging() ? Restart() : absl::OkStatus();
}

absl::Status VhostUserBackendRings::SetInflight(VhostUserInflightRegion region) {
  if (any_running()) return absl::FailedPreconditionError("a ring runs");
  inflight_.emplace(std::move(region));
  return absl::OkStatus();
}

absl::Status VhostUserBackendRings::SetSize(const VhostUserVringState& state) {
  RETURN_IF_ERROR(CheckStopped(state.index));
  const uint16_t max = device_.max_queue_sizes()[state.index];
  if (state.num == 0 || state.num > max) {
    return absl::InvalidArgumentError(absl::StrCat("ring ", state.index.get(), ": a size of ",
                                                   state.num.get(), ", not 1 to ", max));
  }
  rings_[state.index].size = state.num;
  return Update(static_cast<uint16_t>(state.index));
}

absl::Status VhostUserBackendRings::SetAddress(const VhostUserVringAddress& address) {
  RETURN_IF_ERROR(CheckIndex(address.index));
  const auto index = static_cast<uint16_t>(address.index);
  Ring& ring = rings_[index];
  if ((address.flags & ~kVhostUserVringLog) != 0) {
    return absl::InvalidArgumentError(absl::StrCat("unknown flags ", address.flags.get()));
  }
  if (!ring.running || !SamePlace(*ring.address, address)) {
    RETURN_IF_ERROR(CheckStopped(index));
  } else if (logging() && !SameLogging(*ring.address, address)) {
    RETURN_IF_ERROR(Stop(index));
  }
  ring.address = address;
  return Update(index);
}

absl::Status VhostUserBackendRings::SetBase(const VhostUserVringState& state) {
  RETURN_IF_ERROR(CheckStopped(state.index));
  rings_[state.index].base = state.num;
  return absl::OkStatus();
}

absl::StatusOr<VhostUserVringState> VhostUserBackendRings::GetBase(
    const VhostUserVringState& state) {
  RETURN_IF_ERROR(CheckIndex(state.index));
  const auto index = static_cast<uint16_t>(state.index);
  RETURN_IF_ERROR(Stop(index));
  // vhost-user, "Ring states": stopped until it has a kick descriptor again.
  rings_[index].kick = nullptr;
  return VhostUserVringState{.index = state.index, .num = rings_[index].base};
}

absl::Status VhostUserBackendRings::SetKick(uint16_t index, std::optional<EventFd> kick) {
  RETURN_IF_ERROR(CheckIndex(index));
  if (!kick.has_value()) {
    return absl::UnimplementedError(absl::StrCat("ring ", index, ": polling without a kick"));
  }
  RETURN_IF_ERROR(Stop(index));
  rings_[index].kick = std::make_shared<const EventFd>(*std::move(kick));
  return Update(index);
}

absl::Status VhostUserBackendRings::Enable(const VhostUserVringState& state) {
  RETURN_IF_ERROR(CheckIndex(state.index));
  if (state.num > 1) {
    return absl::InvalidArgumentError(
        absl::StrCat("a ring is enabled by 1, not ", state.num.get()));
  }
  rings_[state.index].enabled = state.num == 1;
  return Update(static_cast<uint16_t>(state.index));
}

void VhostUserBackendRings::Reset() {
  device_.Reset();
  attached_ = false;
  inflight_.reset();
  for (Ring& ring : rings_) ring = {};
}

absl::Status VhostUserBackendRings::Update(uint16_t index) {
  const Ring& ring = rings_[index];
  const bool enabled = ring.enabled || (features_ & kVhostUserProtocolFeatures) == 0;
  const bool complete =
      ring.kick != nullptr && ring.size != 0 && ring.address.has_value() && !table_.empty();
  if (!enabled || !complete) return Stop(index);
  if (ring.running) return absl::OkStatus();
  absl::Status status = Start(index);
  if (status.ok()) return status;
  LOG(kWarning, "vhost-user", "device %d, ring %d: %s", device_.device_id(), index,
      std::string(status.message()));
  interrupt_.QueueBroken(index);
  return Failed(status);
}

absl::Status VhostUserBackendRings::Start(uint16_t index) {
  RETURN_IF_ERROR(stale_ ? AttachAnew() : Attach());
  Ring& ring = rings_[index];
  ASSIGN_OR_RETURN(const QueueLayout layout, LayoutOf(ring));
  VirtQueue::Config config = {.layout = layout,
                              .features = features_ & ~kVhostUserOwnFeatures,
                              .position = PositionOfVhostUserBase(ring.base, packed()),
                              .kick = ring.kick};
  if (inflight_.has_value()) {
    ASSIGN_OR_RETURN(config.inflight, inflight_->Window(index, packed()));
  }
  if (logging()) config.device_area = LoggedDeviceArea(ring, layout.device);
  ASSIGN_OR_RETURN(VirtQueue queue, VirtQueue::Create(LoggedMemory(), std::move(config)));
  RETURN_IF_ERROR(device_.StartQueue(index, std::move(queue)));
  ring.running = true;
  // Those who were here before may have returned chains, and died before they said so.
  if (inflight_.has_value()) interrupt_.SignalQueue(index);
  return absl::OkStatus();
}

absl::Status VhostUserBackendRings::Stop(uint16_t index) {
  Ring& ring = rings_[index];
  if (!ring.running) return absl::OkStatus();
  ring.running = false;
  const absl::StatusOr<QueuePosition> position = device_.StopQueue(index);
  if (!position.ok()) return Failed(position.status());
  ring.base = VhostUserBaseOf(*position, packed());
  return absl::OkStatus();
}

absl::Status VhostUserBackendRings::Attach() {
  if (attached_) return absl::OkStatus();
  RETURN_IF_ERROR(device_.Attach({.features = features_ & device_.features(),
                                  .memory = table_.memory(),
                                  .interrupt = &interrupt_}));
  attached_ = true;
  return absl::OkStatus();
}

absl::Status VhostUserBackendRings::AttachAnew() {
  std::vector<uint16_t> running;
  for (size_t index = 0; index < rings_.size(); ++index) {
    if (rings_[index].running) running.push_back(static_cast<uint16_t>(index));
  }
  for (const uint16_t index : running) RETURN_IF_ERROR(Stop(index));
  const absl::StatusOr<std::string> state = device_.Save();
  if (!state.ok()) return Failed(state.status());
  device_.Reset();
  attached_ = false;
  stale_ = false;
  RETURN_IF_ERROR(Failed(device_.Restore(*state)));
  for (const uint16_t index : running) RETURN_IF_ERROR(Update(index));
  return Attach();
}

absl::Status VhostUserBackendRings::Restart() {
  for (size_t i = 0; i < rings_.size(); ++i) {
    const auto index = static_cast<uint16_t>(i);
    if (!rings_[index].running) continue;
    RETURN_IF_ERROR(Stop(index));
    RETURN_IF_ERROR(Update(index));
  }
  return absl::OkStatus();
}

GuestMemory VhostUserBackendRings::LoggedMemory() const {
  if (!logging()) return table_.memory();
  return table_.memory().WithLog({.log = log_, .changed = log_event_});
}

// vhost-user, "Migration": writes to the used ring are logged when its flag says so, and as if its
// first byte were at the address that is said with it.
GuestMemory VhostUserBackendRings::LoggedDeviceArea(const Ring& ring, GuestAddress at) const {
  const uint64_t log = ring.address->log;
  const bool inside = log / kGuestPageSize < log_->pages();
  if ((ring.address->flags & kVhostUserVringLog) == 0 || !inside) return table_.memory();
  return table_.memory().WithLog({.log = log_, .changed = log_event_, .shift = log - Raw(at)});
}

absl::StatusOr<QueueLayout> VhostUserBackendRings::LayoutOf(const Ring& ring) const {
  const std::optional<GuestAddress> descriptors = table_.ToGuest(ring.address->descriptors);
  const std::optional<GuestAddress> driver = table_.ToGuest(ring.address->available);
  const std::optional<GuestAddress> device = table_.ToGuest(ring.address->used);
  if (!descriptors.has_value() || !driver.has_value() || !device.has_value()) {
    return absl::InvalidArgumentError("an area of the ring is in none of the memory regions");
  }
  return QueueLayout{
      .size = ring.size, .descriptors = *descriptors, .driver = *driver, .device = *device};
}

}  // namespace touchstone
