#include "vmm/machine/hosted_device.h"

#include <poll.h>

#include <utility>

#include "absl/time/time.h"
#include "base/log.h"
#include "base/status.h"

namespace touchstone {
namespace {

// Far beyond what it takes on a machine that does nothing else.
constexpr absl::Duration kPatience = absl::Seconds(20);
constexpr int kLingerMilliseconds = 5000;

}  // namespace

HostedDevice::HostedDevice(JailedProcess process, ScopedFd socket, EventLoop& loop, Options options)
    : loop_(loop),
      shape_(std::move(options.shape)),
      lingers_(options.lingers),
      helper_(std::move(options.helper)),
      process_(std::move(process)),
      socket_(std::move(socket)),
      failed_(std::move(options.failed)) {
  MutexLock lock(mutex_);
  reports_watch_ = loop_.OnReadable(process_.reports(), [this] { LookAtReports(); });
  end_watch_ = loop_.OnReadable(process_.ended_fd(), [this] { Ended(); });
}

HostedDevice::~HostedDevice() {
  BeginEnd();
  MutexLock lock(mutex_);
  if (!lingers_) return;
  pollfd end = {.fd = process_.ended_fd(), .events = POLLIN};
  if (poll(&end, 1, kLingerMilliseconds) == 0) {
    LOG(kWarning, "jail", "%s does not end, and is killed", process_.name());
  }
}

void HostedDevice::BeginEnd() {
  reports_watch_.Reset();
  end_watch_.Reset();
  MutexLock lock(mutex_);
  failed_ = nullptr;
  if (lost_.ok()) lost_ = absl::FailedPreconditionError("the device has ended");
  frontend_.reset();
  socket_.Reset();
  if (!lingers_) process_.Kill();
}

void HostedDevice::Fail(const absl::Status& why) const {
  if (!lost_.ok()) return;
  lost_ = why;
  if (failed_ != nullptr) failed_(why);
}

absl::Status HostedDevice::AwaitServing() {
  MutexLock lock(mutex_);
  RETURN_IF_ERROR(lost_);
  if (serving_) return absl::OkStatus();
  const absl::Status status = process_.AwaitServing(kPatience);
  serving_ = status.ok();
  if (!serving_) Fail(status);
  return status;
}

absl::Status HostedDevice::Connect() const {
  if (!serving_) {
    const absl::Status status = process_.AwaitServing(kPatience);
    if (!status.ok()) Fail(status);
    RETURN_IF_ERROR(status);
    serving_ = true;
  }
  absl::StatusOr<std::unique_ptr<VhostUserFrontend>> frontend =
      VhostUserFrontend::Create(std::move(socket_), loop_,
                                {.device_id = shape_.device_id,
                                 .queue_sizes = shape_.queue_sizes,
                                 .config_size = shape_.config_size});
  if (!frontend.ok()) {
    lost_ = Annotate(frontend.status(), process_.name());
    LOG(kError, "jail", "a device is lost: %s", lost_.message());
    return lost_;
  }
  frontend_ = *std::move(frontend);
  return absl::OkStatus();
}

absl::StatusOr<VhostUserFrontend*> HostedDevice::Ask() const {
  MutexLock lock(mutex_);
  if (frontend_ == nullptr) {
    RETURN_IF_ERROR(lost_);
    RETURN_IF_ERROR(Connect());
  }
  return frontend_.get();
}

void HostedDevice::LookAtReports() {
  MutexLock lock(mutex_);
  if (!serving_) {
    const absl::Status status = process_.AwaitServing(absl::ZeroDuration());
    if (absl::IsDeadlineExceeded(status)) return;
    serving_ = status.ok();
    if (!serving_) Fail(status);
  }
  reports_watch_.Reset();
}

void HostedDevice::Ended() {
  end_watch_.Reset();
  MutexLock lock(mutex_);
  // Its last words may be unread.
  if (!serving_) serving_ = process_.AwaitServing(absl::ZeroDuration()).ok();
  const absl::Status end = process_.AwaitEnd();
  const absl::Status why =
      end.ok() ? absl::AbortedError(process_.name() + ": its process ended") : end;
  if (!serving_) return Fail(why);
  LOG(kError, "jail", "a device is lost: %s", why.message());
  // A front end learns it from its socket.
  if (lost_.ok()) lost_ = why;
}

uint64_t HostedDevice::features() const {
  const absl::StatusOr<VhostUserFrontend*> device = Ask();
  return device.ok() ? (*device)->features() : 0;
}

void HostedDevice::ReadConfig(uint32_t offset, absl::Span<uint8_t> data) {
  if (const auto device = Ask(); device.ok()) (*device)->ReadConfig(offset, data);
}

void HostedDevice::WriteConfig(uint32_t offset, absl::Span<const uint8_t> data) {
  if (const auto device = Ask(); device.ok()) (*device)->WriteConfig(offset, data);
}

absl::Status HostedDevice::Attach(Driver driver) {
  ASSIGN_OR_RETURN(VhostUserFrontend* const device, Ask());
  return device->Attach(std::move(driver));
}

absl::Status HostedDevice::StartQueue(uint16_t index, VirtQueue queue) {
  ASSIGN_OR_RETURN(VhostUserFrontend* const device, Ask());
  return device->StartQueue(index, std::move(queue));
}

absl::StatusOr<QueuePosition> HostedDevice::StopQueue(uint16_t index) {
  ASSIGN_OR_RETURN(VhostUserFrontend* const device, Ask());
  return device->StopQueue(index);
}

// One that nobody has asked anything is idle.
void HostedDevice::Reset() {
  VhostUserFrontend* device = nullptr;
  {
    MutexLock lock(mutex_);
    device = frontend_.get();
  }
  if (device != nullptr) device->Reset();
}

absl::StatusOr<std::string> HostedDevice::Save() {
  ASSIGN_OR_RETURN(VhostUserFrontend* const device, Ask());
  return device->Save();
}

absl::Status HostedDevice::Restore(absl::string_view state) {
  ASSIGN_OR_RETURN(VhostUserFrontend* const device, Ask());
  return device->Restore(state);
}

}  // namespace touchstone
