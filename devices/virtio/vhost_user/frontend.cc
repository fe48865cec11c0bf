#include "devices/virtio/vhost_user/frontend.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/fd_socket.h"
#include "base/log.h"
#include "base/status.h"
#include "devices/virtio/core/virtio_features.h"
#include "devices/virtio/vhost_user/peer_fd.h"
#include "devices/virtio/vhost_user/ring_base.h"
#include "devices/virtio/vhost_user/state_transfer.h"

namespace touchstone {
namespace {

// The bits of device types (Virtio 1.2, section 6), and of what VirtQueue and its drivers do by
// themselves. Others are a matter between back ends and monitors.
constexpr uint64_t kOfferable = Mask<uint64_t>(23, 0) | Mask<uint64_t>(63, 50) |
                                kVirtioIndirectDescriptors | kVirtioEventIndex | kVirtioVersion1 |
                                kVirtioPackedRing;

constexpr uint64_t kWantedProtocolFeatures =
    kVhostUserMq | kVhostUserReplyAck | kVhostUserBackendReq | kVhostUserConfigSpace |
    kVhostUserResetDevice | kVhostUserConfigureMemSlots | kVhostUserDeviceState;

// Where guest address 0 is among the user addresses that the back end is told: anywhere will do, as
// long as no ring is at 0.
constexpr uint64_t kUserBase = uint64_t{1} << 46;

constexpr uint64_t kMaxQueues = kVhostUserQueueMask + 1;

uint64_t UserAddress(GuestAddress address) { return kUserBase + Raw(address); }

std::vector<uint8_t> State(uint16_t index, uint32_t number) {
  return VhostUserPayload(VhostUserVringState{.index = uint32_t{index}, .num = number});
}

}  // namespace

absl::StatusOr<std::unique_ptr<VhostUserFrontend>> VhostUserFrontend::Create(ScopedFd socket,
                                                                             EventLoop& loop,
                                                                             Options options) {
  CHECK(!options.queue_sizes.empty() && options.config_size <= kVhostUserConfigSize);
  std::unique_ptr<VhostUserWaiter> waiter = std::move(options.waiter);
  if (waiter == nullptr) waiter = MakeVhostUserWaiter(options.patience);
  const bool ask_queue_count = options.ask_queue_count;
  std::unique_ptr<VhostUserFrontend> self(
      new VhostUserFrontend(loop, std::move(socket), std::move(options), std::move(waiter)));
  RETURN_IF_ERROR(self->Negotiate(ask_queue_count));
  return self;
}

VhostUserFrontend::VhostUserFrontend(EventLoop& loop, ScopedFd socket, Options options,
                                     std::unique_ptr<VhostUserWaiter> waiter)
    : loop_(loop),
      device_id_(options.device_id),
      config_size_(options.config_size),
      hidden_features_(options.hidden_features),
      queue_sizes_(std::move(options.queue_sizes)),
      channel_(std::move(socket), std::move(waiter)) {}

VhostUserFrontend::~VhostUserFrontend() = default;

absl::Status VhostUserFrontend::Negotiate(bool ask_queue_count) {
  RETURN_IF_ERROR(channel_.Send(VhostUserRequest::kSetOwner, {}));
  ASSIGN_OR_RETURN(const uint64_t features, channel_.AskNumber(VhostUserRequest::kGetFeatures));
  features_ = features & kOfferable & ~hidden_features_;
  has_protocol_features_ = (features & kVhostUserProtocolFeatures) != 0;
  if (has_protocol_features_) {
    ASSIGN_OR_RETURN(const uint64_t offered,
                     channel_.AskNumber(VhostUserRequest::kGetProtocolFeatures));
    protocol_features_ = offered & kWantedProtocolFeatures;
    RETURN_IF_ERROR(channel_.Send(VhostUserRequest::kSetProtocolFeatures,
                                  VhostUserPayload(Le64(protocol_features_))));
    if (has(kVhostUserReplyAck)) channel_.UseAcknowledgements();
  }
  if (has(kVhostUserMq)) {
    ASSIGN_OR_RETURN(const uint64_t count, channel_.AskNumber(VhostUserRequest::kGetQueueNum));
    if (count == 0 || count > kMaxQueues || (!ask_queue_count && count < queue_sizes_.size())) {
      return absl::FailedPreconditionError(
          absl::StrCat("vhost-user GET_QUEUE_NUM: the back end has ", count, " queues"));
    }
    if (ask_queue_count) queue_sizes_.resize(count, queue_sizes_.back());
  }
  running_.resize(queue_sizes_.size());
  if (has(kVhostUserBackendReq)) RETURN_IF_ERROR(OpenBackendChannel());
  socket_watch_ = loop_.OnReadable(channel_.fd(), [this] { LookAtSocket(); });
  return absl::OkStatus();
}

absl::Status VhostUserFrontend::OpenBackendChannel() {
  ASSIGN_OR_RETURN(auto pair, FdSocket::CreatePair(FdSocket::Kind::kStream));
  RETURN_IF_ERROR(channel_.Tell(VhostUserRequest::kSetBackendReqFd, {}, {pair.second.fd()}));
  backend_requests_.emplace(std::move(pair.first).Release(), VhostUserBackendTable());
  backend_watch_ = loop_.OnReadable(backend_requests_->fd(), [this] { ServeBackend(); });
  return absl::OkStatus();
}

void VhostUserFrontend::ReadConfig(uint32_t offset, absl::Span<uint8_t> data) {
  if (offset >= config_size_ || !has(kVhostUserConfigSpace)) return;
  // From the start on: there are back ends that overlook the offset.
  const VhostUserConfigHeader header = {.offset = 0u, .size = config_size_, .flags = 0u};
  std::vector<uint8_t> payload = VhostUserPayload(header);
  payload.resize(sizeof(header) + config_size_);
  const absl::StatusOr<VhostUserMessage> reply =
      channel_.Ask(VhostUserRequest::kGetConfig, payload);
  if (!reply.ok()) return Lose(reply.status());
  // vhost-user, GET_CONFIG: as long as the request, or empty for an error.
  if (reply->payload.size() != payload.size()) {
    LOG(kWarning, "vhost-user", "device %d: no configuration from the back end", device_id_);
    return;
  }
  const size_t size = std::min<size_t>(data.size(), config_size_ - offset);
  memcpy(data.data(), reply->payload.data() + sizeof(header) + offset, size);
}

void VhostUserFrontend::WriteConfig(uint32_t offset, absl::Span<const uint8_t> data) {
  if (offset >= config_size_ || data.empty() || !has(kVhostUserConfigSpace)) return;
  data = data.first(std::min<size_t>(data.size(), config_size_ - offset));
  std::vector<uint8_t> payload = VhostUserPayload(VhostUserConfigHeader{
      .offset = offset, .size = static_cast<uint32_t>(data.size()), .flags = 0u});
  payload.insert(payload.end(), data.begin(), data.end());
  Lost(channel_.Tell(VhostUserRequest::kSetConfig, payload)).IgnoreError();
}

absl::Status VhostUserFrontend::Attach(Driver driver) {
  CHECK(!attached_ && driver.interrupt != nullptr);
  if ((driver.features & ~features_) != 0) {
    return absl::InvalidArgumentError("the driver has features that were not offered");
  }
  if (lost_) return absl::FailedPreconditionError("the vhost-user back end is lost");
  const uint64_t features =
      driver.features | (has_protocol_features_ ? kVhostUserProtocolFeatures : 0);
  RETURN_IF_ERROR(
      Lost(channel_.Tell(VhostUserRequest::kSetFeatures, VhostUserPayload(Le64(features)))));
  RETURN_IF_ERROR(SetMemory(driver.memory));
  driver_ = std::move(driver);
  attached_ = true;
  MutexLock lock(signal_mutex_);
  interrupt_ = driver_.interrupt;
  return absl::OkStatus();
}

absl::Status VhostUserFrontend::SetMemory(const GuestMemory& memory) {
  const absl::Span<const GuestMemory::Region> regions = memory.regions();
  if (regions.size() > kVhostUserTableRegions) {
    return absl::ResourceExhaustedError(absl::StrCat(
        regions.size(), " regions of memory, vhost-user has ", kVhostUserTableRegions));
  }
  std::vector<uint8_t> payload = VhostUserPayload(
      VhostUserMemoryHeader{.regions = static_cast<uint32_t>(regions.size()), .padding = 0u});
  std::vector<int> fds;
  for (const GuestMemory::Region& region : regions) {
    if (region.fd < 0) {
      return absl::FailedPreconditionError("guest memory without a descriptor cannot be shared");
    }
    const std::vector<uint8_t> entry =
        VhostUserPayload(VhostUserMemoryRegion{.guest_address = Raw(region.start),
                                               .size = region.size,
                                               .user_address = UserAddress(region.start),
                                               .mmap_offset = region.file_offset});
    payload.insert(payload.end(), entry.begin(), entry.end());
    fds.push_back(region.fd);
  }
  return Lost(channel_.Tell(VhostUserRequest::kSetMemTable, payload, fds));
}

absl::Status VhostUserFrontend::StartQueue(uint16_t index, VirtQueue queue) {
  CHECK(attached_ && index < running_.size() && queue.kick() != nullptr);
  Running& running = running_[index];
  CHECK(!running.queue.has_value());
  running.queue.emplace(std::move(queue));
  const absl::Status status = Lost(SetUpRing(index, running));
  if (!status.ok()) {
    driver_.interrupt->WatchTrigger(index, {});
    running = {};
    return status;
  }
  // There may be chains already, whose kick nobody has heard.
  running.queue->kick()->Signal();
  return absl::OkStatus();
}

absl::Status VhostUserFrontend::SetUpRing(uint16_t index, Running& running) {
  const VirtQueue::Config& config = running.queue->config();
  const bool packed = (config.features & kVirtioPackedRing) != 0;
  if (!packed && config.position.available != config.position.used) {
    return absl::InvalidArgumentError("vhost-user starts no ring with chains in flight");
  }
  ASSIGN_OR_RETURN(running.call, EventFd::Create());
  ASSIGN_OR_RETURN(running.error, EventFd::Create());
  running.call_watch = loop_.OnReadable(running.call->fd(), [this, index] { Called(index); });
  running.error_watch = loop_.OnReadable(running.error->fd(), [this, index] { Failed(index); });
  RETURN_IF_ERROR(channel_.Send(VhostUserRequest::kSetVringNum, State(index, config.layout.size)));
  RETURN_IF_ERROR(channel_.Send(VhostUserRequest::kSetVringBase,
                                State(index, VhostUserBaseOf(config.position, packed))));
  RETURN_IF_ERROR(channel_.Send(
      VhostUserRequest::kSetVringAddr,
      VhostUserPayload(VhostUserVringAddress{.index = uint32_t{index},
                                             .flags = 0u,
                                             .descriptors = UserAddress(config.layout.descriptors),
                                             .used = UserAddress(config.layout.device),
                                             .available = UserAddress(config.layout.driver),
                                             .log = uint64_t{0}})));
  driver_.interrupt->WatchTrigger(
      index, [this, index](const EventFd* trigger) { SetCall(index, trigger); });
  RETURN_IF_ERROR(SetEvent(index, VhostUserRequest::kSetVringErr, *running.error));
  RETURN_IF_ERROR(SetEvent(index, VhostUserRequest::kSetVringKick, *running.queue->kick()));
  // The last is acknowledged, for all of them.
  if (!has_protocol_features_) return absl::OkStatus();
  return channel_.Tell(VhostUserRequest::kSetVringEnable, State(index, 1));
}

void VhostUserFrontend::SetCall(uint16_t index, const EventFd* trigger) {
  const EventFd& call = trigger != nullptr ? *trigger : *running_[index].call;
  channel_.Post(VhostUserRequest::kSetVringCall, VhostUserPayload(Le64(uint64_t{index})),
                {call.fd()});
}

absl::Status VhostUserFrontend::SetEvent(uint16_t index, VhostUserRequest request,
                                         const EventFd& event) {
  return channel_.Send(request, VhostUserPayload(Le64(uint64_t{index})), {event.fd()});
}

absl::StatusOr<QueuePosition> VhostUserFrontend::StopQueue(uint16_t index) {
  if (index >= running_.size() || !running_[index].queue.has_value()) {
    return absl::FailedPreconditionError(absl::StrCat("queue ", index, " does not run"));
  }
  Running& running = running_[index];
  const bool packed = (running.queue->config().features & kVirtioPackedRing) != 0;
  driver_.interrupt->WatchTrigger(index, {});
  absl::Status status;
  if (has_protocol_features_) {
    status = channel_.Send(VhostUserRequest::kSetVringEnable, State(index, 0));
  }
  absl::StatusOr<VhostUserMessage> base =
      status.ok() ? channel_.Ask(VhostUserRequest::kGetVringBase, State(index, 0)) : status;
  running.call_watch.Reset();
  running.error_watch.Reset();
  Called(index);  // What the loop has not got round to.
  Failed(index);
  running = {};
  RETURN_IF_ERROR(Lost(base.status()));
  const auto state = base->Get<VhostUserVringState>();
  if (state.index != index) {
    return Lost(absl::FailedPreconditionError("vhost-user GET_VRING_BASE: of another ring"));
  }
  return PositionOfVhostUserBase(state.num, packed);
}

void VhostUserFrontend::Reset() {
  for (uint16_t index = 0; index < running_.size(); ++index) {
    if (!running_[index].queue.has_value()) continue;
    if (absl::Status status = StopQueue(index).status(); !status.ok()) {
      LOG(kWarning, "vhost-user", "device %d, queue %d: %s", device_id_, index,
          std::string(status.message()));
    }
  }
  if (has(kVhostUserResetDevice) && !lost_) {
    Lost(channel_.Tell(VhostUserRequest::kResetDevice, {})).IgnoreError();
  }
  {
    MutexLock lock(signal_mutex_);
    interrupt_ = nullptr;
  }
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
  const absl::Status status = channel_.Look();
  if (status.ok()) return;
  socket_watch_.Reset();
  backend_watch_.Reset();
  Lose(status);
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
  channel_.Shutdown();
  MutexLock lock(signal_mutex_);
  if (interrupt_ != nullptr) interrupt_->QueueBroken(0);
}

absl::Status VhostUserFrontend::Lost(absl::Status status) {
  // Aborted: the back end said no, and lives.
  if (!status.ok() && absl::IsFailedPrecondition(status)) Lose(status);
  return status;
}

absl::StatusOr<ScopedFd> VhostUserFrontend::OpenStatePipe(uint32_t direction) {
  if (!has(kVhostUserDeviceState)) {
    return absl::UnimplementedError("the vhost-user back end cannot transfer its state");
  }
  int fds[2];
  if (pipe2(fds, O_CLOEXEC) != 0) return ErrnoStatus(errno, "pipe2");
  ScopedFd ends[2] = {ScopedFd(fds[0]), ScopedFd(fds[1])};
  const bool save = direction == kVhostUserStateSave;
  ScopedFd ours = std::move(ends[save ? 0 : 1]);
  const ScopedFd theirs = std::move(ends[save ? 1 : 0]);
  absl::StatusOr<VhostUserMessage> reply =
      channel_.Ask(VhostUserRequest::kSetDeviceStateFd,
                   VhostUserPayload(VhostUserStateRequest{.direction = direction,
                                                          .phase = kVhostUserPhaseStopped}),
                   {theirs.get()});
  RETURN_IF_ERROR(Lost(reply.status()));
  const uint64_t answer = reply->Get<Le64>();
  if ((answer & ~kVhostUserNoFd) != 0) {
    return absl::AbortedError("vhost-user SET_DEVICE_STATE_FD: the back end refused");
  }
  // vhost-user, SET_DEVICE_STATE_FD: the back end may have a better descriptor.
  if ((answer & kVhostUserNoFd) == 0 && reply->fds.size() == 1) ours = std::move(reply->fds[0]);
  RETURN_IF_ERROR(SetNonBlocking(ours.get()));
  return ours;
}

absl::Status VhostUserFrontend::CheckState() {
  const absl::StatusOr<uint64_t> answer = channel_.AskNumber(VhostUserRequest::kCheckDeviceState);
  RETURN_IF_ERROR(Lost(answer.status()));
  if (*answer == 0) return absl::OkStatus();
  return absl::InvalidArgumentError("vhost-user CHECK_DEVICE_STATE: the state is not whole");
}

absl::StatusOr<std::string> VhostUserFrontend::Save() {
  ASSIGN_OR_RETURN(const ScopedFd pipe, OpenStatePipe(kVhostUserStateSave));
  std::string state;
  std::array<char, 16 << 10> bytes;
  channel_.waiter().Begin();
  while (true) {
    const ssize_t count = read(pipe.get(), bytes.data(), bytes.size());
    if (count == 0) break;
    if (count > 0) {
      state.append(bytes.data(), static_cast<size_t>(count));
      if (state.size() <= kVhostUserMaxState) continue;
      return absl::ResourceExhaustedError("the vhost-user back end has too much state");
    }
    if (errno == EINTR) continue;
    if (errno != EAGAIN) return ErrnoStatus(errno, "read of a device's state");
    if (!channel_.waiter().Wait(pipe.get(), false)) {
      return absl::DeadlineExceededError("the vhost-user back end does not send its state");
    }
  }
  RETURN_IF_ERROR(CheckState());
  return state;
}

absl::Status VhostUserFrontend::Restore(absl::string_view state) {
  {
    ASSIGN_OR_RETURN(const ScopedFd pipe, OpenStatePipe(kVhostUserStateLoad));
    channel_.waiter().Begin();
    while (!state.empty()) {
      const ssize_t count = WriteQuietly(pipe.get(), state.data(), state.size());
      if (count >= 0) {
        state.remove_prefix(static_cast<size_t>(count));
      } else if (errno == EPIPE) {
        break;  // The check says why.
      } else if (errno == EAGAIN) {
        if (!channel_.waiter().Wait(pipe.get(), true)) {
          return absl::DeadlineExceededError("the vhost-user back end does not take its state");
        }
      } else if (errno != EINTR) {
        return ErrnoStatus(errno, "write of a device's state");
      }
    }
  }
  return CheckState();
}

}  // namespace touchstone
