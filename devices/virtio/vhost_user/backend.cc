#include "devices/virtio/vhost_user/backend.h"

#include <errno.h>
#include <sys/stat.h>

#include <memory>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/log.h"
#include "base/memory/dirty_log.h"
#include "base/status.h"
#include "devices/virtio/core/virtio_status.h"
#include "devices/virtio/vhost_user/inflight_region.h"
#include "devices/virtio/vhost_user/peer_fd.h"

namespace touchstone {
namespace {

std::vector<uint8_t> Number(uint64_t value) { return VhostUserPayload(Le64(value)); }

}  // namespace

struct VhostUserBackend::Handler {
  VhostUserRequest request;
  Answer (VhostUserBackend::*handle)(VhostUserMessage& message);
};

VhostUserBackend::VhostUserBackend(VirtioDevice& device, ScopedFd socket, EventLoop& loop,
                                   Closed closed, Options options)
    : device_(device),
      loop_(loop),
      closed_(std::move(closed)),
      connection_(std::move(socket), VhostUserFrontendTable()),
      interrupt_(device.max_queue_sizes().size()),
      transfer_(device, loop),
      rings_(device, memory_, interrupt_),
      offered_protocol_features_(kProtocolFeatures |
                                 (options.takes_over ? kVhostUserInflightShmfd : 0)) {
  CHECK(device.max_queue_sizes().size() <= kVhostUserQueueMask + 1);
  watch_ = loop_.OnReadable(connection_.fd(), [this] { Serve(); });
}

void VhostUserBackend::Serve() {
  for (int i = 0; i < kMessagesPerTurn; ++i) {
    absl::StatusOr<std::optional<VhostUserMessage>> message = connection_.Receive();
    if (!message.ok()) {
      const bool orderly = absl::IsFailedPrecondition(message.status());
      return Close(orderly ? absl::OkStatus() : message.status());
    }
    if (!message->has_value()) return;
    const uint32_t request = (*message)->request;
    const absl::Status status = Dispatch(**std::move(message));
    if (status.ok()) continue;
    return Close(Annotate(status, FindVhostUserRow(VhostUserFrontendTable(), request)->name));
  }
}

void VhostUserBackend::Close(const absl::Status& why) {
  watch_.Reset();
  transfer_.GiveUp();
  rings_.Reset();
  interrupt_.Reset();
  connection_.Shutdown();
  Closed closed = std::move(closed_);
  closed(why);  // May destroy this.
}

absl::Status VhostUserBackend::Dispatch(VhostUserMessage message) {
  // In the order of message_table.cc.
  static constexpr Handler kHandlers[] = {
      {VhostUserRequest::kGetFeatures, &VhostUserBackend::GetFeatures},
      {VhostUserRequest::kSetFeatures, &VhostUserBackend::SetFeatures},
      {VhostUserRequest::kSetOwner, &VhostUserBackend::SetOwner},
      {VhostUserRequest::kResetOwner, &VhostUserBackend::ResetOwner},
      {VhostUserRequest::kSetMemTable, &VhostUserBackend::SetMemTable},
      {VhostUserRequest::kSetLogBase, &VhostUserBackend::SetLogBase},
      {VhostUserRequest::kSetLogFd, &VhostUserBackend::SetLogFd},
      {VhostUserRequest::kSetVringNum, &VhostUserBackend::SetVringNum},
      {VhostUserRequest::kSetVringAddr, &VhostUserBackend::SetVringAddr},
      {VhostUserRequest::kSetVringBase, &VhostUserBackend::SetVringBase},
      {VhostUserRequest::kGetVringBase, &VhostUserBackend::GetVringBase},
      {VhostUserRequest::kSetVringKick, &VhostUserBackend::SetVringKick},
      {VhostUserRequest::kSetVringCall, &VhostUserBackend::SetVringCall},
      {VhostUserRequest::kSetVringErr, &VhostUserBackend::SetVringErr},
      {VhostUserRequest::kGetProtocolFeatures, &VhostUserBackend::GetProtocolFeatures},
      {VhostUserRequest::kSetProtocolFeatures, &VhostUserBackend::SetProtocolFeatures},
      {VhostUserRequest::kGetQueueNum, &VhostUserBackend::GetQueueNum},
      {VhostUserRequest::kSetVringEnable, &VhostUserBackend::SetVringEnable},
      {VhostUserRequest::kSetBackendReqFd, &VhostUserBackend::SetBackendReqFd},
      {VhostUserRequest::kGetConfig, &VhostUserBackend::GetConfig},
      {VhostUserRequest::kSetConfig, &VhostUserBackend::SetConfig},
      {VhostUserRequest::kGetInflightFd, &VhostUserBackend::GetInflightFd},
      {VhostUserRequest::kSetInflightFd, &VhostUserBackend::SetInflightFd},
      {VhostUserRequest::kResetDevice, &VhostUserBackend::ResetDevice},
      {VhostUserRequest::kGetMaxMemSlots, &VhostUserBackend::GetMaxMemSlots},
      {VhostUserRequest::kAddMemReg, &VhostUserBackend::AddMemReg},
      {VhostUserRequest::kRemMemReg, &VhostUserBackend::RemMemReg},
      {VhostUserRequest::kSetStatus, &VhostUserBackend::SetStatus},
      {VhostUserRequest::kGetStatus, &VhostUserBackend::GetStatus},
      {VhostUserRequest::kSetDeviceStateFd, &VhostUserBackend::SetDeviceStateFd},
      {VhostUserRequest::kCheckDeviceState, &VhostUserBackend::CheckDeviceState},
  };
  if (message.reply()) return absl::InvalidArgumentError("a reply that nobody asked for");
  const VhostUserRow& row = *FindVhostUserRow(VhostUserFrontendTable(), message.request);
  if ((row.protocol_feature & ~protocol_features_) != 0) {
    return absl::FailedPreconditionError("its protocol feature was not negotiated");
  }
  const bool acknowledge =
      !row.has_reply && message.needs_reply() && (protocol_features_ & kVhostUserReplyAck) != 0;
  for (const Handler& handler : kHandlers) {
    if (static_cast<uint32_t>(handler.request) != message.request) continue;
    const Answer answer = (this->*handler.handle)(message);
    // Aborted: the request failed, and the front end may go on (backend_rings.h).
    if (!answer.ok() && !absl::IsAborted(answer.status())) return answer.status();
    if (answer.ok() && answer->has_value()) {
      const Reply& reply = **answer;
      const int fd = reply.fd.get();
      return connection_.Send(message.request, kVhostUserReply, reply.payload,
                              {&fd, reply.fd.valid() ? 1u : 0u});
    }
    if (!acknowledge) return absl::OkStatus();
    return connection_.Send(message.request, kVhostUserReply, Number(answer.ok() ? 0 : 1));
  }
  return absl::InternalError("no handler");
}

VhostUserBackend::Answer VhostUserBackend::GetFeatures(VhostUserMessage& /*message*/) {
  return Number(rings_.features());
}

VhostUserBackend::Answer VhostUserBackend::SetFeatures(VhostUserMessage& message) {
  RETURN_IF_ERROR(rings_.SetFeatures(message.Get<Le64>()));
  return std::nullopt;
}

VhostUserBackend::Answer VhostUserBackend::SetOwner(VhostUserMessage& /*message*/) {
  return std::nullopt;  // A connection has one owner.
}

// vhost-user, RESET_OWNER: deprecated, back ends had better ignore it.
VhostUserBackend::Answer VhostUserBackend::ResetOwner(VhostUserMessage& /*message*/) {
  return std::nullopt;
}

VhostUserBackend::Answer VhostUserBackend::GetProtocolFeatures(VhostUserMessage& /*message*/) {
  return Number(offered_protocol_features_);
}

VhostUserBackend::Answer VhostUserBackend::SetProtocolFeatures(VhostUserMessage& message) {
  const uint64_t wanted = message.Get<Le64>();
  if ((wanted & ~offered_protocol_features_) != 0) {
    return absl::InvalidArgumentError(
        absl::StrCat("protocol features that were not offered: ",
                     absl::Hex(wanted & ~offered_protocol_features_)));
  }
  protocol_features_ = wanted;
  return std::nullopt;
}

VhostUserBackend::Answer VhostUserBackend::GetQueueNum(VhostUserMessage& /*message*/) {
  return Number(device_.max_queue_sizes().size());
}

VhostUserBackend::Answer VhostUserBackend::SetMemTable(VhostUserMessage& message) {
  const auto header = message.Get<VhostUserMemoryHeader>();
  const size_t bytes = message.payload.size() - sizeof(header);
  if (header.regions > kVhostUserTableRegions ||
      bytes != header.regions * sizeof(VhostUserMemoryRegion)) {
    return absl::InvalidArgumentError(
        absl::StrCat(header.regions.get(), " regions in ", bytes, " bytes"));
  }
  std::vector<VhostUserMemoryRegion> regions;
  for (uint32_t i = 0; i < header.regions; ++i) {
    regions.push_back(message.Get<VhostUserMemoryRegion>(sizeof(header) + i * sizeof(regions[0])));
  }
  RETURN_IF_ERROR(memory_.Set(regions, std::move(message.fds)));
  RETURN_IF_ERROR(rings_.MemoryChanged());
  return std::nullopt;
}

VhostUserBackend::Answer VhostUserBackend::GetMaxMemSlots(VhostUserMessage& /*message*/) {
  return Number(VhostUserMemoryTable::kMaxRegions);
}

VhostUserBackend::Answer VhostUserBackend::AddMemReg(VhostUserMessage& message) {
  if (message.fds.size() != 1) return absl::InvalidArgumentError("no descriptor");
  RETURN_IF_ERROR(
      memory_.Add(message.Get<VhostUserSingleRegion>().region, std::move(message.fds[0])));
  RETURN_IF_ERROR(rings_.MemoryChanged());
  return std::nullopt;
}

VhostUserBackend::Answer VhostUserBackend::RemMemReg(VhostUserMessage& message) {
  RETURN_IF_ERROR(memory_.Remove(message.Get<VhostUserSingleRegion>().region));
  RETURN_IF_ERROR(rings_.MemoryChanged());
  return std::nullopt;
}

VhostUserBackend::Answer VhostUserBackend::SetLogBase(VhostUserMessage& message) {
  const auto log = message.Get<VhostUserLog>();
  if (message.fds.size() != 1) return absl::InvalidArgumentError("no descriptor");
  ASSIGN_OR_RETURN(std::shared_ptr<const DirtyLog> mapped,
                   DirtyLog::Map(message.fds[0].get(), log.mmap_offset, log.mmap_size));
  absl::Status status = rings_.SetLog(std::move(mapped));
  if (!status.ok() && !absl::IsAborted(status)) return status;
  return Number(status.ok() ? 0 : 1);
}

VhostUserBackend::Answer VhostUserBackend::SetLogFd(VhostUserMessage& message) {
  if (message.fds.size() != 1) return absl::InvalidArgumentError("no descriptor");
  ASSIGN_OR_RETURN(EventFd event, TakeEvent(std::move(message.fds[0])));
  RETURN_IF_ERROR(rings_.SetLogEvent(std::make_shared<const EventFd>(std::move(event))));
  return std::nullopt;
}

VhostUserBackend::Answer VhostUserBackend::SetVringNum(VhostUserMessage& message) {
  RETURN_IF_ERROR(rings_.SetSize(message.Get<VhostUserVringState>()));
  return std::nullopt;
}

VhostUserBackend::Answer VhostUserBackend::SetVringAddr(VhostUserMessage& message) {
  RETURN_IF_ERROR(rings_.SetAddress(message.Get<VhostUserVringAddress>()));
  return std::nullopt;
}

VhostUserBackend::Answer VhostUserBackend::SetVringBase(VhostUserMessage& message) {
  RETURN_IF_ERROR(rings_.SetBase(message.Get<VhostUserVringState>()));
  return std::nullopt;
}

VhostUserBackend::Answer VhostUserBackend::GetVringBase(VhostUserMessage& message) {
  absl::StatusOr<VhostUserVringState> state = rings_.GetBase(message.Get<VhostUserVringState>());
  // There is no way to say that it failed.
  if (absl::IsAborted(state.status())) return absl::InternalError(state.status().message());
  RETURN_IF_ERROR(state.status());
  return VhostUserPayload(*state);
}

VhostUserBackend::Answer VhostUserBackend::SetVringEnable(VhostUserMessage& message) {
  RETURN_IF_ERROR(rings_.Enable(message.Get<VhostUserVringState>()));
  return std::nullopt;
}

absl::StatusOr<uint16_t> VhostUserBackend::RingOf(const VhostUserMessage& message) const {
  const uint64_t payload = message.Get<Le64>();
  if ((payload & ~(kVhostUserQueueMask | kVhostUserNoFd)) != 0) {
    return absl::InvalidArgumentError("unknown bits");
  }
  const uint64_t index = payload & kVhostUserQueueMask;
  RETURN_IF_ERROR(rings_.CheckIndex(index));
  return static_cast<uint16_t>(index);
}

absl::StatusOr<std::optional<EventFd>> VhostUserBackend::EventOf(VhostUserMessage& message) {
  const bool none = (message.Get<Le64>() & kVhostUserNoFd) != 0;
  if (message.fds.size() != (none ? 0u : 1u)) {
    return absl::InvalidArgumentError(absl::StrCat(message.fds.size(), " descriptors"));
  }
  if (none) return std::nullopt;
  return TakeEvent(std::move(message.fds[0]));
}

absl::StatusOr<EventFd> VhostUserBackend::TakeEvent(ScopedFd fd) {
  struct stat status;
  if (fstat(fd.get(), &status) != 0) return ErrnoStatus(errno, "fstat");
  // An eventfd has no type; a pipe could raise SIGPIPE, a file is always ready.
  if ((status.st_mode & S_IFMT) != 0) return absl::InvalidArgumentError("not an eventfd");
  RETURN_IF_ERROR(SetNonBlocking(fd.get()));
  return EventFd(std::move(fd));
}

VhostUserBackend::Answer VhostUserBackend::SetVringKick(VhostUserMessage& message) {
  ASSIGN_OR_RETURN(const uint16_t index, RingOf(message));
  ASSIGN_OR_RETURN(std::optional<EventFd> kick, EventOf(message));
  RETURN_IF_ERROR(rings_.SetKick(index, std::move(kick)));
  return std::nullopt;
}

VhostUserBackend::Answer VhostUserBackend::SetVringCall(VhostUserMessage& message) {
  ASSIGN_OR_RETURN(const uint16_t index, RingOf(message));
  ASSIGN_OR_RETURN(std::optional<EventFd> call, EventOf(message));
  interrupt_.SetCall(index, std::move(call));
  return std::nullopt;
}

VhostUserBackend::Answer VhostUserBackend::SetVringErr(VhostUserMessage& message) {
  ASSIGN_OR_RETURN(const uint16_t index, RingOf(message));
  ASSIGN_OR_RETURN(std::optional<EventFd> error, EventOf(message));
  interrupt_.SetError(index, std::move(error));
  return std::nullopt;
}

VhostUserBackend::Answer VhostUserBackend::SetBackendReqFd(VhostUserMessage& message) {
  if (message.fds.size() != 1) return absl::InvalidArgumentError("no descriptor");
  interrupt_.SetChannel(std::move(message.fds[0]));
  return std::nullopt;
}

VhostUserBackend::Answer VhostUserBackend::GetConfig(VhostUserMessage& message) {
  const auto header = message.Get<VhostUserConfigHeader>();
  if (header.size > kVhostUserConfigSize) {
    return absl::InvalidArgumentError(absl::StrCat(header.size.get(), " bytes at once"));
  }
  std::vector<uint8_t> reply = VhostUserPayload(header);
  reply.resize(sizeof(header) + header.size);
  device_.ReadConfig(header.offset, absl::MakeSpan(reply).subspan(sizeof(header)));
  return reply;
}

VhostUserBackend::Answer VhostUserBackend::SetConfig(VhostUserMessage& message) {
  const auto header = message.Get<VhostUserConfigHeader>();
  const auto bytes = absl::MakeConstSpan(message.payload).subspan(sizeof(header));
  if (bytes.size() != header.size) {
    return absl::InvalidArgumentError(
        absl::StrCat(header.size.get(), " bytes of configuration in ", bytes.size()));
  }
  // vhost-user, SET_CONFIG: only a migration may write what the driver may not. The device knows
  // what that is, and its state travels otherwise.
  if (header.flags == kVhostUserConfigMigration) return std::nullopt;
  if (header.flags != 0) return absl::InvalidArgumentError("unknown flags");
  device_.WriteConfig(header.offset, bytes);
  return std::nullopt;
}

VhostUserBackend::Answer VhostUserBackend::GetInflightFd(VhostUserMessage& message) {
  const auto wanted = message.Get<VhostUserInflight>();
  if (wanted.queues > device_.max_queue_sizes().size()) {
    return absl::InvalidArgumentError(absl::StrCat(wanted.queues.get(), " queues"));
  }
  ASSIGN_OR_RETURN(
      VhostUserInflightRegion::File file,
      VhostUserInflightRegion::Make(wanted.queues, wanted.queue_size, rings_.packed()));
  Reply reply(VhostUserPayload(file.description));
  reply.payload.resize(message.payload.size());
  reply.fd = std::move(file.fd);
  return reply;
}

VhostUserBackend::Answer VhostUserBackend::SetInflightFd(VhostUserMessage& message) {
  if (message.fds.size() != 1) return absl::InvalidArgumentError("no descriptor");
  ASSIGN_OR_RETURN(VhostUserInflightRegion region,
                   VhostUserInflightRegion::Map(message.Get<VhostUserInflight>(), message.fds[0]));
  RETURN_IF_ERROR(rings_.SetInflight(std::move(region)));
  return std::nullopt;
}

VhostUserBackend::Answer VhostUserBackend::ResetDevice(VhostUserMessage& /*message*/) {
  rings_.Reset();
  interrupt_.Reset();
  status_ = 0;
  return std::nullopt;
}

// Virtio 1.2, 2.1: the device alone says NEEDS_RESET, until 0 is written. That resets no ring here:
// QEMU writes it when it stops a device, and only then asks where the rings are (GET_VRING_BASE).
VhostUserBackend::Answer VhostUserBackend::SetStatus(VhostUserMessage& message) {
  const uint64_t status = message.Get<Le64>();
  if (status > UINT8_MAX) return absl::InvalidArgumentError("a status is one byte");
  if (status == 0) interrupt_.ForgetBroken();
  status_ = static_cast<uint8_t>(status) & ~kVirtioNeedsReset;
  return std::nullopt;
}

VhostUserBackend::Answer VhostUserBackend::GetStatus(VhostUserMessage& /*message*/) {
  return Number(status_ | (interrupt_.any_broken() ? kVirtioNeedsReset : 0));
}

VhostUserBackend::Answer VhostUserBackend::SetDeviceStateFd(VhostUserMessage& message) {
  const auto transfer = message.Get<VhostUserStateRequest>();
  if (message.fds.size() != 1) return absl::InvalidArgumentError("no descriptor");
  if (rings_.any_running()) return absl::FailedPreconditionError("a ring runs");
  const absl::Status status =
      transfer_.Begin(transfer.direction, transfer.phase, std::move(message.fds[0]));
  if (!status.ok()) {
    LOG(kWarning, "vhost-user", "device state: %s", std::string(status.message()));
  }
  // vhost-user, SET_DEVICE_STATE_FD: the front end's descriptor is used.
  return Number(kVhostUserNoFd | (status.ok() ? 0 : 1));
}

VhostUserBackend::Answer VhostUserBackend::CheckDeviceState(VhostUserMessage& /*message*/) {
  const absl::Status status = transfer_.Check();
  if (!status.ok()) {
    LOG(kWarning, "vhost-user", "device state: %s", std::string(status.message()));
  }
  return Number(status.ok() ? 0 : 1);
}

}  // namespace touchstone
