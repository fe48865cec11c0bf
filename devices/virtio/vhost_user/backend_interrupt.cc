#include "devices/virtio/vhost_user/backend_interrupt.h"

#include <algorithm>
#include <string>
#include <utility>

#include "base/log.h"

namespace touchstone {
namespace {

void SignalOr(const std::optional<EventFd>& event, bool& missed) {
  if (event.has_value()) return event->Signal();
  missed = true;
}

void Replace(std::optional<EventFd>& event, bool& missed, std::optional<EventFd> with) {
  event = std::move(with);
  if (event.has_value() && std::exchange(missed, false)) event->Signal();
}

}  // namespace

void VhostUserBackendInterrupt::SignalQueue(uint16_t index) {
  MutexLock lock(mutex_);
  SignalOr(lines_[index].call, lines_[index].call_missed);
}

void VhostUserBackendInterrupt::QueueBroken(uint16_t index) {
  MutexLock lock(mutex_);
  lines_[index].broken = true;
  SignalOr(lines_[index].error, lines_[index].error_missed);
}

bool VhostUserBackendInterrupt::any_broken() const {
  MutexLock lock(mutex_);
  return std::any_of(lines_.begin(), lines_.end(), [](const Line& line) { return line.broken; });
}

void VhostUserBackendInterrupt::ForgetBroken() {
  MutexLock lock(mutex_);
  for (Line& line : lines_) line.broken = false;
}

void VhostUserBackendInterrupt::SignalConfig() {
  MutexLock lock(mutex_);
  if (!channel_.has_value()) return;
  const absl::Status status =
      channel_->Send(static_cast<uint32_t>(VhostUserBackendRequest::kConfigChange), 0, {});
  // A front end that does not take it has as many unread that say the same.
  if (status.ok() || absl::IsUnavailable(status)) return;
  LOG(kWarning, "vhost-user", "configuration change: %s", std::string(status.message()));
  channel_.reset();
}

void VhostUserBackendInterrupt::SetCall(uint16_t index, std::optional<EventFd> call) {
  MutexLock lock(mutex_);
  Replace(lines_[index].call, lines_[index].call_missed, std::move(call));
}

void VhostUserBackendInterrupt::SetError(uint16_t index, std::optional<EventFd> error) {
  MutexLock lock(mutex_);
  Replace(lines_[index].error, lines_[index].error_missed, std::move(error));
}

void VhostUserBackendInterrupt::Reset() {
  MutexLock lock(mutex_);
  for (Line& line : lines_) line = {};
}

void VhostUserBackendInterrupt::SetChannel(ScopedFd socket) {
  MutexLock lock(mutex_);
  channel_.emplace(std::move(socket), VhostUserBackendTable());
}

}  // namespace touchstone
