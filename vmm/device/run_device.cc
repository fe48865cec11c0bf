#include "vmm/device/run_device.h"

#include <string.h>

#include <cstddef>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "base/clock.h"
#include "base/event/epoll_loop.h"
#include "base/fd_socket.h"
#include "base/log.h"
#include "base/scoped_fd.h"
#include "base/status.h"
#include "devices/virtio/block/block.h"
#include "devices/virtio/block/block_open.h"
#include "devices/virtio/console/console_open.h"
#include "devices/virtio/core/queue_layout.h"
#include "devices/virtio/core/virtio_device.h"
#include "devices/virtio/net/net_open.h"
#include "devices/virtio/rng/rng.h"
#include "devices/virtio/vhost_user/backend.h"
#include "devices/virtio/vsock/vsock_open.h"
#include "vmm/machine/shutdown_signals.h"

namespace touchstone {
namespace {

using Device = absl::StatusOr<std::unique_ptr<VirtioDevice>>;

// As many pairs of queues as are asked for, whatever the number of vCPUs, which is not known here.
constexpr uint32_t kManyVcpus = 256;

// Whether requests are independent of each other, and harmless when done twice.
bool TakesOver(uint32_t device_id) {
  return device_id == Block::kDeviceId || device_id == Rng::kDeviceId;
}

// About as long as it takes to wake somebody on another processor, who else would be woken for each
// request.
constexpr absl::Duration kLookFor = absl::Microseconds(32);

struct Opener {
  EventLoop& loop;

  Device operator()(const RngDeviceConfig& /*config*/) const { return std::make_unique<Rng>(loop); }
  Device operator()(const BlockConfig& config) const {
    ASSIGN_OR_RETURN(std::unique_ptr<Block> block,
                     OpenBlock(config, AsyncExecutor::EPOLL, loop, {}, nullptr, kMaxQueueSize));
    // With one processor it would only keep the driver from it.
    if (std::thread::hardware_concurrency() > 1) block->LookFor(kLookFor, SystemClock());
    return block;
  }
  Device operator()(const NetConfig& config) const { return OpenNet(config, kManyVcpus, loop); }
  Device operator()(const VsockConfig& config) const { return OpenVsock(config, loop); }
  Device operator()(const std::vector<SerialConfig>& ports) const {
    return OpenConsole(ports, loop, SystemClock());
  }
};

// One monitor, on the loop.
class Session {
 public:
  // Called when the monitor has gone.
  using Ended = std::function<void(const absl::Status& why)>;

  Session(std::unique_ptr<VirtioDevice> device, EpollLoop& loop, Ended ended)
      : device_(std::move(device)), loop_(loop), ended_(std::move(ended)) {}

  absl::Status Listen(const std::string& path) {
    absl::StatusOr<FdListener> listener = FdListener::Listen(path, FdSocket::Kind::kStream);
    if (!listener.ok()) return Annotate(listener.status(), "--socket-path");
    listener_.emplace(*std::move(listener));
    watch_ = loop_.OnReadable(listener_->fd(), [this] { Accept(); });
    return absl::OkStatus();
  }
  void Serve(ScopedFd socket) {
    backend_.emplace(
        *device_, std::move(socket), loop_, [this](const absl::Status& why) { ended_(why); },
        VhostUserBackend::Options{.takes_over = TakesOver(device_->device_id())});
  }

 private:
  void Accept() {
    absl::StatusOr<FdSocket> socket = listener_->Accept();
    if (!socket.ok()) {
      LOG(kWarning, "device", "%s", std::string(socket.status().message()));
      return;
    }
    // One is served, and no other may come.
    watch_.Reset();
    listener_.reset();
    Serve((*std::move(socket)).Release());
  }

  const std::unique_ptr<VirtioDevice> device_;
  EpollLoop& loop_;
  const Ended ended_;
  std::optional<FdListener> listener_;
  std::optional<VhostUserBackend> backend_;
  Watch watch_;
};

absl::StatusOr<ScopedFd> InheritedSocket(int fd) {
  return OpenFile(absl::StrCat("/proc/self/fd/", fd), 0);
}

}  // namespace

absl::Status RunDevices(const std::vector<DeviceLine>& lines) {
  ASSIGN_OR_RETURN(const std::unique_ptr<EpollLoop> loop, EpollLoop::Create());
  ASSIGN_OR_RETURN(const std::unique_ptr<ShutdownSignals> signals,
                   ShutdownSignals::Create(*loop, [raw = loop.get()](int signal) {
                     LOG(kInfo, "device", "%s: the device is stopped", strsignal(signal));
                     raw->Stop();
                   }));
  absl::Status result;
  size_t left = lines.size();
  std::vector<std::unique_ptr<Session>> sessions;
  for (const DeviceLine& line : lines) {
    ASSIGN_OR_RETURN(std::unique_ptr<VirtioDevice> device, std::visit(Opener{*loop}, line.device));
    Session& session = *sessions.emplace_back(std::make_unique<Session>(
        std::move(device), *loop, [&result, &left, raw = loop.get()](const absl::Status& why) {
          result.Update(why);
          if (--left == 0) raw->Stop();
        }));
    if (line.socket_path.has_value()) {
      RETURN_IF_ERROR(session.Listen(*line.socket_path));
      continue;
    }
    absl::StatusOr<ScopedFd> socket = InheritedSocket(*line.fd);
    if (!socket.ok()) return Annotate(socket.status(), "--fd");
    session.Serve(*std::move(socket));
  }
  loop->Run();
  return result;
}

}  // namespace touchstone
