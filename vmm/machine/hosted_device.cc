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

HostedDevice::HostedDevice(Launched launched, EventLoop& loop, Options options)
    : loop_(loop),
      shape_(std::move(options.shape)),
      lingers_(options.lingers),
      relaunch_(std::move(options.relaunch)),
      helper_(std::move(launched.helper)),
      process_(std::move(launched.process)),
      socket_(std::move(launched.socket)),
      failed_(std::move(options.failed)) {
  MutexLock lock(process_mutex_);
  reports_watch_ = loop_.OnReadable(process_->reports(), [this] { LookAtReports(); });
  end_watch_ = loop_.OnReadable(process_->ended_fd(), [this] { Ended(); });
}

HostedDevice::~HostedDevice() {
  BeginEnd();
  MutexLock lock(process_mutex_);
  if (!lingers_) return;
  pollfd end = {.fd = process_->ended_fd(), .events = POLLIN};
  if (poll(&end, 1, kLingerMilliseconds) == 0) {
    LOG(kWarning, "jail", "%s does not end, and is killed", process_->name());
  }
}

void HostedDevice::BeginEnd() {
  reports_watch_.Reset();
  MutexLock lock(mutex_);
  failed_ = nullptr;
  if (lost_.ok()) lost_ = absl::FailedPreconditionError("the device has ended");
  frontend_.reset();
  socket_.Reset();
  end_watch_.Reset();
  MutexLock process_lock(process_mutex_);
  if (!lingers_) process_->Kill();
}

void HostedDevice::Fail(const absl::Status& why) const {
  if (!lost_.ok()) return;
  lost_ = why;
  if (failed_ != nullptr) failed_(why);
}

absl::Status HostedDevice::AwaitProcess(absl::Duration patience) const {
  if (serving_) return absl::OkStatus();
  MutexLock lock(process_mutex_);
  absl::Status status = process_->AwaitServing(patience);
  serving_ = status.ok();
  return status;
}

absl::Status HostedDevice::AwaitServing() {
  MutexLock lock(mutex_);
  RETURN_IF_ERROR(lost_);
  absl::Status status = AwaitProcess(kPatience);
  if (!status.ok()) Fail(status);
  return status;
}

absl::Status HostedDevice::Connect() const {
  if (const absl::Status status = AwaitProcess(kPatience); !status.ok()) {
    Fail(status);
    return status;
  }
  std::function<absl::StatusOr<ScopedFd>()> connect;
  if (relaunch_ != nullptr) connect = [this] { return Relaunch(); };
  absl::StatusOr<std::unique_ptr<VhostUserFrontend>> frontend =
      VhostUserFrontend::Create(std::move(socket_), loop_,
                                {.device_id = shape_.device_id,
                                 .queue_sizes = shape_.queue_sizes,
                                 .config_size = shape_.config_size,
                                 .connect = std::move(connect),
                                 .replays = relaunch_ != nullptr});
  if (!frontend.ok()) {
    MutexLock lock(process_mutex_);
    lost_ = Annotate(frontend.status(), process_->name());
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
  const absl::Status status = AwaitProcess(absl::ZeroDuration());
  if (absl::IsDeadlineExceeded(status)) return;
  if (!status.ok()) Fail(status);
  reports_watch_.Reset();
}

void HostedDevice::Ended() const {
  end_watch_.Reset();
  MutexLock lock(mutex_);
  // Its last words may be unread.
  AwaitProcess(absl::ZeroDuration()).IgnoreError();
  MutexLock process_lock(process_mutex_);
  const absl::Status end = process_->AwaitEnd();
  const absl::Status why =
      end.ok() ? absl::AbortedError(process_->name() + ": its process ended") : end;
  if (!serving_) return Fail(why);
  if (relaunch_ != nullptr) {
    LOG(kWarning, "jail", "%s; another process takes over", why.message());
    return;
  }
  LOG(kError, "jail", "a device is lost: %s", why.message());
  // A front end learns it from its socket.
  if (lost_.ok()) lost_ = why;
}

absl::StatusOr<ScopedFd> HostedDevice::Relaunch() const {
  MutexLock lock(process_mutex_);
  // One that talks nonsense may be alive, and one that is dead not yet noticed.
  end_watch_.Reset();
  process_->Kill();
  process_->AwaitEnd().IgnoreError();
  ASSIGN_OR_RETURN(Launched launched, relaunch_());
  process_.emplace(std::move(launched.process));
  end_watch_ = loop_.OnReadable(process_->ended_fd(), [this] { Ended(); });
  return std::move(launched.socket);
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
