#include "devices/virtio/vhost_user/frontend.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/fd_socket.h"
#include "base/log.h"
#include "base/status.h"
#include "devices/virtio/core/virtio_features.h"
#include "devices/virtio/core/virtio_status.h"
#include "devices/virtio/vhost_user/frontend_state.h"
#include "devices/virtio/vhost_user/memory_message.h"
#include "devices/virtio/vhost_user/ring_base.h"

namespace touchstone {
namespace {

// The bits of device types (Virtio 1.2, section 6), and of what VirtQueue and its drivers do by
// themselves. Others are a matter between back ends and monitors.
constexpr uint64_t kOfferable = Mask<uint64_t>(23, 0) | Mask<uint64_t>(63, 50) |
                                kVirtioIndirectDescriptors | kVirtioEventIndex | kVirtioVersion1 |
                                kVirtioPackedRing;

constexpr uint64_t kWantedProtocolFeatures =
    kVhostUserMq | kVhostUserLogShmfd | kVhostUserReplyAck | kVhostUserBackendReq |
    kVhostUserConfigSpace | kVhostUserResetDevice | kVhostUserConfigureMemSlots | kVhostUserStatus |
    kVhostUserDeviceState;

constexpr Le64 kNegotiated = uint64_t{kVirtioAcknowledge | kVirtioDriver | kVirtioFeaturesOk};
constexpr Le64 kReady = kNegotiated | kVirtioDriverOk;

constexpr uint64_t kMaxQueues = kVhostUserQueueMask + 1;

std::vector<uint8_t> State(uint16_t index, uint32_t number) {
  return VhostUserPayload(VhostUserVringState{.index = uint32_t{index}, .num = number});
}

absl::Status NoBackend() {
  return absl::FailedPreconditionError("the vhost-user back end is lost");
}

absl::Status NoState() {
  return absl::UnimplementedError("the vhost-user back end cannot transfer its state");
}

absl::Status CheckShareable(const GuestMemory& memory) {
  if (memory.regions().size() > kVhostUserTableRegions) {
    return absl::ResourceExhaustedError(absl::StrCat(
        memory.regions().size(), " regions of memory, vhost-user has ", kVhostUserTableRegions));
  }
  for (const GuestMemory::Region& region : memory.regions()) {
    if (region.fd >= 0) continue;
    return absl::FailedPreconditionError("guest memory without a descriptor cannot be shared");
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<std::unique_ptr<VhostUserFrontend>> VhostUserFrontend::Create(ScopedFd socket,
                                                                             EventLoop& loop,
                                                                             Options options) {
  CHECK(!options.queue_sizes.empty() && options.config_size <= kVhostUserConfigSize);
  CHECK(options.config.empty() || options.config.size() == options.config_size);
  if (options.waiter == nullptr) options.waiter = MakeVhostUserWaiter(options.patience);
  std::unique_ptr<VhostUserFrontend> self(new VhostUserFrontend(loop, std::move(options)));
  MutexLock lock(self->mutex_);
  RETURN_IF_ERROR(self->Connect(std::move(socket)));
  return self;
}

VhostUserFrontend::VhostUserFrontend(EventLoop& loop, Options options)
    : loop_(loop),
      device_id_(options.device_id),
      config_size_(options.config_size),
      own_config_(std::move(options.config)),
      hidden_features_(options.hidden_features),
      ask_queue_count_(options.ask_queue_count),
      replays_(options.replays),
      connect_(std::move(options.connect)),
      waiter_(std::move(options.waiter)),
      queue_sizes_(std::move(options.queue_sizes)),
      config_(config_size_) {}

VhostUserFrontend::~VhostUserFrontend() = default;

absl::Status VhostUserFrontend::Connect(ScopedFd socket) {
  channel_ = std::make_shared<VhostUserFrontendChannel>(std::move(socket), waiter_);
  {
    MutexLock lock(post_mutex_);
    post_channel_ = channel_;
  }
  RETURN_IF_ERROR(Negotiate());
  if (has(kVhostUserBackendReq)) RETURN_IF_ERROR(OpenBackendChannel());
  connected_before_ = true;
  socket_watch_ = loop_.OnReadable(channel_->fd(), [this] { LookAtSocket(); });
  return absl::OkStatus();
}

absl::Status VhostUserFrontend::Negotiate() {
  RETURN_IF_ERROR(channel_->Send(VhostUserRequest::kSetOwner, {}));
  ASSIGN_OR_RETURN(const uint64_t features, channel_->AskNumber(VhostUserRequest::kGetFeatures));
  if (!connected_before_) {
    features_ = features & kOfferable & ~hidden_features_;
    own_features_ = features & kVhostUserOwnFeatures;
  }
  const uint64_t needed = features_ | own_features_;
  if ((needed & ~features) != 0) {
    return absl::FailedPreconditionError("vhost-user GET_FEATURES: less than before");
  }
  if (has_protocol_features()) {
    ASSIGN_OR_RETURN(const uint64_t offered,
                     channel_->AskNumber(VhostUserRequest::kGetProtocolFeatures));
    if (!connected_before_) {
      protocol_features_ =
          offered & (kWantedProtocolFeatures | (replays_ ? kVhostUserInflightShmfd : 0));
    }
    if ((protocol_features_ & ~offered) != 0) {
      return absl::FailedPreconditionError("vhost-user GET_PROTOCOL_FEATURES: less than before");
    }
    RETURN_IF_ERROR(channel_->Send(VhostUserRequest::kSetProtocolFeatures,
                                   VhostUserPayload(Le64(protocol_features_))));
    if (has(kVhostUserReplyAck)) channel_->UseAcknowledgements();
  }
  return CountQueues();
}

absl::Status VhostUserFrontend::CountQueues() {
  const bool may_differ = ask_queue_count_ && !connected_before_;
  if (has(kVhostUserMq)) {
    ASSIGN_OR_RETURN(const uint64_t count, channel_->AskNumber(VhostUserRequest::kGetQueueNum));
    if (count == 0 || count > kMaxQueues || (!may_differ && count < queue_sizes_.size())) {
      return absl::FailedPreconditionError(
          absl::StrCat("vhost-user GET_QUEUE_NUM: the back end has ", count, " queues"));
    }
    if (may_differ) queue_sizes_.resize(count, queue_sizes_.back());
  }
  running_.resize(queue_sizes_.size());
  return absl::OkStatus();
}

absl::Status VhostUserFrontend::OpenBackendChannel() {
  ASSIGN_OR_RETURN(auto pair, FdSocket::CreatePair(FdSocket::Kind::kStream));
  RETURN_IF_ERROR(channel_->Tell(VhostUserRequest::kSetBackendReqFd, {}, {pair.second.fd()}));
  backend_watch_.Reset();
  backend_requests_ = std::make_unique<VhostUserConnection>(std::move(pair.first).Release(),
                                                            VhostUserBackendTable());
  backend_watch_ = loop_.OnReadable(backend_requests_->fd(), [this] { ServeBackend(); });
  return absl::OkStatus();
}

void VhostUserFrontend::ReadConfig(uint32_t offset, absl::Span<uint8_t> data) {
  if (offset >= config_size_) return;
  data = data.first(std::min<size_t>(data.size(), config_size_ - offset));
  if (!own_config_.empty()) {
    memcpy(data.data(), own_config_.data() + offset, data.size());
    return;
  }
  if (!has(kVhostUserConfigSpace)) return;
  MutexLock lock(mutex_);
  const absl::Status status = lost_ ? absl::OkStatus() : Lost(config_.Fetch(*channel_));
  if (absl::IsAborted(status)) {
    LOG(kWarning, "vhost-user", "device %d: %s", device_id_, std::string(status.message()));
  }
  config_.Read(offset, data);
}

void VhostUserFrontend::WriteConfig(uint32_t offset, absl::Span<const uint8_t> data) {
  const bool writable = own_config_.empty() && has(kVhostUserConfigSpace);
  if (offset >= config_size_ || data.empty() || !writable) return;
  data = data.first(std::min<size_t>(data.size(), config_size_ - offset));
  MutexLock lock(mutex_);
  config_.Note(offset, data);
  if (!lost_) Lost(VhostUserConfigCopy::Write(*channel_, offset, data)).IgnoreError();
}

absl::Status VhostUserFrontend::Attach(Driver driver) {
  MutexLock lock(mutex_);
  CHECK(!attached_ && driver.interrupt != nullptr);
  if ((driver.features & ~features_) != 0) {
    return absl::InvalidArgumentError("the driver has features that were not offered");
  }
  RETURN_IF_ERROR(CheckShareable(driver.memory));
  driver_ = std::move(driver);
  absl::Status status = Later(lost_ ? NoBackend() : TellDriver());
  if (!status.ok()) {
    driver_ = {};
    return status;
  }
  attached_ = true;
  MutexLock signal_lock(signal_mutex_);
  interrupt_ = driver_.interrupt;
  return absl::OkStatus();
}

absl::Status VhostUserFrontend::TellDriver() {
  RETURN_IF_ERROR(TellFeatures());
  RETURN_IF_ERROR(TellFeaturesOk());
  RETURN_IF_ERROR(TellInflight());
  RETURN_IF_ERROR(TellMemory());
  return log_ == nullptr ? absl::OkStatus() : TellLog();
}

absl::Status VhostUserFrontend::TellFeatures() {
  const uint64_t unused = log_ == nullptr ? kVhostUserLogAll : 0;
  return channel_->Tell(VhostUserRequest::kSetFeatures,
                        VhostUserPayload(Le64(driver_.features | (own_features_ & ~unused))));
}

// Virtio 1.2, 3.1.1: the device says by the same bit whether it takes the features.
absl::Status VhostUserFrontend::TellFeaturesOk() {
  if (!has(kVhostUserStatus)) return absl::OkStatus();
  RETURN_IF_ERROR(channel_->Send(VhostUserRequest::kSetStatus, VhostUserPayload(kNegotiated)));
  ASSIGN_OR_RETURN(const VhostUserMessage reply, channel_->Ask(VhostUserRequest::kGetStatus, {}));
  if ((reply.Get<Le64>() & kVirtioFeaturesOk) != 0) return absl::OkStatus();
  return absl::AbortedError("the vhost-user back end refuses the driver's features");
}

// The reply says nothing.
absl::Status VhostUserFrontend::TellLog() {
  return channel_
      ->Ask(VhostUserRequest::kSetLogBase, VhostUserPayload(log_->description()), {log_->fd()})
      .status();
}

absl::Status VhostUserFrontend::TellWhatIsLogged() {
  RETURN_IF_ERROR(TellFeatures());
  const auto queues = static_cast<uint16_t>(running_.size());
  for (uint16_t index = 0; index < queues; ++index) {
    if (!running_[index].queue.has_value()) continue;
    RETURN_IF_ERROR(channel_->Tell(VhostUserRequest::kSetVringAddr, RingAddress(index)));
  }
  return absl::OkStatus();
}

absl::Status VhostUserFrontend::StartDirtyLog(const GuestMemory& memory) {
  MutexLock lock(mutex_);
  if (!has(kVhostUserLogShmfd) || (own_features_ & kVhostUserLogAll) == 0) {
    return absl::UnimplementedError("the vhost-user back end cannot log what it writes");
  }
  CHECK(log_ == nullptr);
  ASSIGN_OR_RETURN(log_, VhostUserFrontendLog::Create(memory));
  if (!attached_) return absl::OkStatus();
  // vhost-user, "Migration": the log, the feature, and the flag of each ring.
  absl::Status status = lost_ ? NoBackend() : TellLog();
  if (status.ok()) status = TellWhatIsLogged();
  status = Lost(std::move(status));
  // The next back end is told.
  if (lost_ && connect_ != nullptr) return absl::OkStatus();
  if (!status.ok()) log_ = nullptr;
  return status;
}

absl::StatusOr<std::vector<uint64_t>> VhostUserFrontend::TakeDirtyLog() {
  MutexLock lock(mutex_);
  if (log_ == nullptr) return absl::FailedPreconditionError("no log of dirty pages was started");
  return log_->Take();
}

absl::Status VhostUserFrontend::StopDirtyLog() {
  MutexLock lock(mutex_);
  if (log_ == nullptr) return absl::FailedPreconditionError("no log of dirty pages was started");
  log_ = nullptr;
  return attached_ && !lost_ ? Later(TellWhatIsLogged()) : absl::OkStatus();
}

// vhost-user, "Inflight I/O tracking": the back end makes the memory, and each one is given it.
absl::Status VhostUserFrontend::TellInflight() {
  if (!has(kVhostUserInflightShmfd)) return absl::OkStatus();
  if (!inflight_.has_value()) {
    const VhostUserInflight wanted = {
        .mmap_size = uint64_t{0},
        .mmap_offset = uint64_t{0},
        .queues = static_cast<uint16_t>(queue_sizes_.size()),
        .queue_size = *std::max_element(queue_sizes_.begin(), queue_sizes_.end())};
    ASSIGN_OR_RETURN(VhostUserMessage reply,
                     channel_->Ask(VhostUserRequest::kGetInflightFd, VhostUserPayload(wanted)));
    const auto description = reply.Get<VhostUserInflight>();
    if (reply.fds.size() != 1 || description.mmap_size == 0) return absl::OkStatus();
    inflight_ = Inflight{.description = description, .fd = std::move(reply.fds[0])};
  }
  RETURN_IF_ERROR(channel_->Tell(VhostUserRequest::kSetInflightFd,
                                 VhostUserPayload(inflight_->description), {inflight_->fd.get()}));
  tracks_ = true;
  return absl::OkStatus();
}

absl::Status VhostUserFrontend::TellMemory() {
  const VhostUserMemoryMessage message = VhostUserMemoryOf(driver_.memory);
  return channel_->Tell(VhostUserRequest::kSetMemTable, message.payload, message.fds);
}

absl::Status VhostUserFrontend::StartQueue(uint16_t index, VirtQueue queue) {
  MutexLock lock(mutex_);
  CHECK(attached_ && index < running_.size() && queue.kick() != nullptr);
  Running& running = running_[index];
  CHECK(!running.queue.has_value());
  if (stale_) return NoBackend();
  const QueuePosition& position = queue.config().position;
  if ((queue.config().features & kVirtioPackedRing) == 0 && position.available != position.used) {
    return absl::InvalidArgumentError("vhost-user starts no ring with chains in flight");
  }
  ASSIGN_OR_RETURN(running.call, EventFd::Create());
  ASSIGN_OR_RETURN(running.error, EventFd::Create());
  running.queue.emplace(std::move(queue));
  running.call_watch = loop_.OnReadable(running.call->fd(), [this, index] { Called(index); });
  running.error_watch = loop_.OnReadable(running.error->fd(), [this, index] { Failed(index); });
  absl::Status status = Later(lost_ ? NoBackend() : TellRing(index));
  if (!status.ok()) {
    driver_.interrupt->WatchTrigger(index, {});
    running = {};
    return status;
  }
  // There may be chains already, whose kick nobody has heard.
  running.queue->kick()->Signal();
  return absl::OkStatus();
}

absl::Status VhostUserFrontend::TellRing(uint16_t index) {
  const Running& running = running_[index];
  const VirtQueue::Config& config = running.queue->config();
  const bool packed = (config.features & kVirtioPackedRing) != 0;
  RETURN_IF_ERROR(channel_->Send(VhostUserRequest::kSetVringNum, State(index, config.layout.size)));
  RETURN_IF_ERROR(channel_->Send(VhostUserRequest::kSetVringBase,
                                 State(index, VhostUserBaseOf(config.position, packed))));
  RETURN_IF_ERROR(channel_->Send(VhostUserRequest::kSetVringAddr, RingAddress(index)));
  driver_.interrupt->WatchTrigger(
      index, [this, index](const EventFd* trigger) { SetCall(index, trigger); });
  RETURN_IF_ERROR(SetEvent(index, VhostUserRequest::kSetVringErr, *running.error));
  RETURN_IF_ERROR(SetEvent(index, VhostUserRequest::kSetVringKick, *running.queue->kick()));
  // By the first queue: a transport says no more than that the driver is ready.
  if (has(kVhostUserStatus)) {
    RETURN_IF_ERROR(channel_->Send(VhostUserRequest::kSetStatus, VhostUserPayload(kReady)));
  }
  // The last is acknowledged, for all of them.
  if (!has_protocol_features()) return absl::OkStatus();
  return channel_->Tell(VhostUserRequest::kSetVringEnable, State(index, 1));
}

std::vector<uint8_t> VhostUserFrontend::RingAddress(uint16_t index) const {
  return VhostUserPayload(
      VhostUserAddressOf(index, running_[index].queue->config().layout, log_ != nullptr));
}

void VhostUserFrontend::SetCall(uint16_t index, const EventFd* trigger) {
  const EventFd& call = trigger != nullptr ? *trigger : *running_[index].call;
  MutexLock lock(post_mutex_);
  post_channel_->Post(VhostUserRequest::kSetVringCall, VhostUserPayload(Le64(uint64_t{index})),
                      {call.fd()});
}

absl::Status VhostUserFrontend::SetEvent(uint16_t index, VhostUserRequest request,
                                         const EventFd& event) {
  return channel_->Send(request, VhostUserPayload(Le64(uint64_t{index})), {event.fd()});
}

absl::StatusOr<QueuePosition> VhostUserFrontend::StopQueue(uint16_t index) {
  MutexLock lock(mutex_);
  if (index >= running_.size() || !running_[index].queue.has_value()) {
    return absl::FailedPreconditionError(absl::StrCat("queue ", index, " does not run"));
  }
  absl::StatusOr<QueuePosition> position = FetchPosition(index);
  // The next one is told of the queue, and knows how far it got.
  if (away()) return absl::UnavailableError("the vhost-user back end is lost, another one comes");
  Forget(index);
  return position;
}

absl::StatusOr<QueuePosition> VhostUserFrontend::FetchPosition(uint16_t index) {
  // Another back end than the one that worked on it knows nothing of the queue.
  if (lost_ || stale_) return NoBackend();
  driver_.interrupt->WatchTrigger(index, {});
  absl::Status status;
  if (has_protocol_features()) {
    status = channel_->Send(VhostUserRequest::kSetVringEnable, State(index, 0));
  }
  absl::StatusOr<VhostUserMessage> base =
      status.ok() ? channel_->Ask(VhostUserRequest::kGetVringBase, State(index, 0)) : status;
  RETURN_IF_ERROR(Lost(base.status()));
  const auto state = base->Get<VhostUserVringState>();
  if (state.index != index) {
    return Lost(absl::FailedPreconditionError("vhost-user GET_VRING_BASE: of another ring"));
  }
  const uint64_t features = running_[index].queue->config().features;
  return PositionOfVhostUserBase(state.num, (features & kVirtioPackedRing) != 0);
}

void VhostUserFrontend::Forget(uint16_t index) {
  Running& running = running_[index];
  driver_.interrupt->WatchTrigger(index, {});
  running.call_watch.Reset();
  running.error_watch.Reset();
  Called(index);  // What the loop has not got round to.
  Failed(index);
  running = {};
}

void VhostUserFrontend::Reset() {
  MutexLock lock(mutex_);
  const auto queues = static_cast<uint16_t>(running_.size());
  for (uint16_t index = 0; index < queues; ++index) {
    if (!running_[index].queue.has_value()) continue;
    if (absl::Status status = FetchPosition(index).status(); !status.ok()) {
      LOG(kWarning, "vhost-user", "device %d, queue %d: %s", device_id_, index,
          std::string(status.message()));
    }
    Forget(index);
  }
  if (has(kVhostUserResetDevice) && !lost_) {
    Lost(channel_->Tell(VhostUserRequest::kResetDevice, {})).IgnoreError();
  } else if (has(kVhostUserStatus) && !lost_) {
    Lost(channel_->Tell(VhostUserRequest::kSetStatus, VhostUserPayload(Le64(uint64_t{0}))))
        .IgnoreError();
  }
  {
    MutexLock signal_lock(signal_mutex_);
    interrupt_ = nullptr;
    stale_ = false;
    tracks_ = false;
  }
  config_.ForgetWrites();
  inflight_.reset();
  driver_ = {};
  attached_ = false;
}

void VhostUserFrontend::Called(uint16_t index) {
  if (running_[index].call->Drain() > 0) driver_.interrupt->SignalQueue(index);
}

void VhostUserFrontend::Failed(uint16_t index) {
  if (running_[index].error->Drain() == 0) return;
  LOG(kWarning, "vhost-user", "device %d: the back end gave up queue %d", device_id_, index);
  driver_.interrupt->QueueBroken(index);
}

void VhostUserFrontend::LookAtSocket() {
  const absl::Status status = channel_->Look();
  if (status.ok()) return;
  Lose(status);
  ConnectSoon();
}

void VhostUserFrontend::ServeBackend() {
  absl::StatusOr<std::optional<VhostUserMessage>> received = backend_requests_->Receive();
  absl::Status status = received.status();
  if (status.ok()) {
    if (!received->has_value()) return;
    const VhostUserMessage& message = **received;
    if (message.reply()) {
      status = absl::InvalidArgumentError("a reply that nobody asked for");
    } else {
      // The one request that there is in the table: BACKEND_CONFIG_CHANGE_MSG.
      {
        MutexLock lock(signal_mutex_);
        if (interrupt_ != nullptr) interrupt_->SignalConfig();
      }
      if (message.needs_reply() && has(kVhostUserReplyAck)) {
        status = backend_requests_->Send(message.request, kVhostUserReply,
                                         VhostUserPayload(Le64(uint64_t{0})));
      }
    }
  }
  if (status.ok()) return;
  backend_watch_.Reset();
  Lose(status);
}

void VhostUserFrontend::Lose(const absl::Status& why) {
  if (lost_.exchange(true)) return;
  LOG(kError, "vhost-user", "device %d: %s", device_id_, std::string(why.message()));
  {
    MutexLock lock(post_mutex_);
    post_channel_->Shutdown();  // For those who watch it, too.
  }
  MutexLock lock(signal_mutex_);
  if (interrupt_ == nullptr || (tracks_ && connect_ != nullptr)) return;
  stale_ = true;
  interrupt_->QueueBroken(0);
}

absl::Status VhostUserFrontend::Lost(absl::Status status) {
  // Aborted: the back end said no, and lives.
  if (!status.ok() && absl::IsFailedPrecondition(status)) Lose(status);
  return status;
}

absl::Status VhostUserFrontend::Later(absl::Status status) {
  status = Lost(std::move(status));
  return away() ? absl::OkStatus() : status;
}

void VhostUserFrontend::ConnectSoon() {
  socket_watch_.Reset();
  backend_watch_.Reset();
  life_timer_.Reset();
  if (connect_ == nullptr) return;
  connect_timer_ = loop_.After(delay_, [this] { ConnectAgain(); });
  delay_ = std::min(2 * delay_, kLastDelay);
}

void VhostUserFrontend::ConnectAgain() {
  absl::StatusOr<ScopedFd> socket = connect_();
  if (!socket.ok()) return ConnectSoon();
  absl::Status status;
  {
    MutexLock lock(mutex_);
    status = Connect(*std::move(socket));
    if (status.ok() && attached_ && !stale_) status = TellAgain();
    if (status.ok()) lost_ = false;
  }
  if (!status.ok()) {
    LOG(kError, "vhost-user", "device %d: %s", device_id_, std::string(status.message()));
    channel_->Shutdown();
    return ConnectSoon();
  }
  LOG(kWarning, "vhost-user", "device %d: there is a new back end", device_id_);
  life_timer_ = loop_.After(kLongLife, [this] { delay_ = kFirstDelay; });
}

absl::Status VhostUserFrontend::TellAgain() {
  RETURN_IF_ERROR(TellDriver());
  RETURN_IF_ERROR(config_.WriteAgain(*channel_));
  const auto queues = static_cast<uint16_t>(running_.size());
  for (uint16_t index = 0; index < queues; ++index) {
    if (!running_[index].queue.has_value()) continue;
    driver_.interrupt->WatchTrigger(index, {});
    // The one before may have died between a write and its mark. What it had in flight is written
    // again.
    if (log_ != nullptr) log_->MarkRing(running_[index].queue->config().layout);
    RETURN_IF_ERROR(TellRing(index));
    // Neither side may have heard the other's last word.
    running_[index].queue->kick()->Signal();
    driver_.interrupt->SignalQueue(index);
  }
  return absl::OkStatus();
}

absl::StatusOr<std::string> VhostUserFrontend::Save() {
  if (!has(kVhostUserDeviceState)) return NoState();
  MutexLock lock(mutex_);
  absl::StatusOr<std::string> state = FetchVhostUserState(*channel_);
  RETURN_IF_ERROR(Lost(state.status()));
  return state;
}

absl::Status VhostUserFrontend::Restore(absl::string_view state) {
  if (!has(kVhostUserDeviceState)) return NoState();
  MutexLock lock(mutex_);
  return Lost(SendVhostUserState(*channel_, state));
}

}  // namespace touchstone
