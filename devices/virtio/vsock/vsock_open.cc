#include "devices/virtio/vsock/vsock_open.h"

#include <sys/resource.h>

#include <array>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "base/log.h"
#include "base/status.h"
#include "devices/virtio/vhost/vhost_control.h"
#include "devices/virtio/vsock/unix_host.h"
#include "devices/virtio/vsock/vhost_vsock.h"
#include "devices/virtio/vsock/vsock.h"

namespace touchstone {
namespace {

void RaiseDescriptorLimit() {
  rlimit limit;
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur == limit.rlim_max) return;
  limit.rlim_cur = limit.rlim_max;
  if (setrlimit(RLIMIT_NOFILE, &limit) != 0) {
    LOG(kWarning, "vsock", "the limit of %d descriptors stays", limit.rlim_cur);
  }
}

std::unique_ptr<VirtioDevice> MakeUnix(const VsockConfig& config, FdListener listener,
                                       EventLoop& loop) {
  return std::make_unique<Vsock>(
      loop, Vsock::Options{.guest_cid = config.cid(), .queue_sizes = VsockQueueSizes(config)},
      [&](EventLoop& locking_loop) {
        return std::make_unique<UnixHost>(locking_loop, std::move(listener), config.socket());
      });
}

absl::StatusOr<std::unique_ptr<VirtioDevice>> OpenVhost(const VsockConfig& config,
                                                        EventLoop& loop) {
  absl::StatusOr<std::unique_ptr<VhostControl>> control = OpenVhostControl(config.device());
  if (absl::IsNotFound(control.status())) {
    return Annotate(
        absl::NotFoundError(absl::StrCat(
            control.status().message(),
            "; with socket=PATH the guest is connected through unix sockets, without the kernel")),
        "device");
  }
  if (!control.ok()) return Annotate(control.status(), "device");
  absl::StatusOr<std::unique_ptr<VhostVsock>> device =
      VhostVsock::Create(*std::move(control), config.cid(), VsockQueueSizes(config), loop);
  if (!device.ok()) {
    return Annotate(device.status(), absl::StrCat(config.device(), ", cid=", config.cid()));
  }
  return *std::move(device);
}

}  // namespace

std::array<uint16_t, 3> VsockQueueSizes(const VsockConfig& config) {
  std::array<uint16_t, 3> sizes;
  sizes.fill(Vsock::kQueueSize);
  for (int i = 0; i < config.max_queue_sizes_size() && i < 3; ++i) {
    sizes[static_cast<size_t>(i)] = static_cast<uint16_t>(config.max_queue_sizes(i));
  }
  return sizes;
}

absl::StatusOr<FdListener> ListenForVsock(const VsockConfig& config) {
  absl::StatusOr<FdListener> listener = UnixHost::Listen(config.socket());
  if (!listener.ok()) return Annotate(listener.status(), "socket");
  return listener;
}

std::unique_ptr<VirtioDevice> OpenVsock(const VsockConfig& config, ScopedFd listener,
                                        EventLoop& loop) {
  return MakeUnix(config, FdListener(std::move(listener)), loop);
}

absl::StatusOr<std::unique_ptr<VirtioDevice>> OpenVsock(const VsockConfig& config,
                                                        EventLoop& loop) {
  if (!config.has_socket()) return OpenVhost(config, loop);
  ASSIGN_OR_RETURN(FdListener listener, ListenForVsock(config));
  RaiseDescriptorLimit();
  return MakeUnix(config, std::move(listener), loop);
}

}  // namespace touchstone
