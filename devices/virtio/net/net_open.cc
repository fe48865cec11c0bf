#include "devices/virtio/net/net_open.h"

#include <sys/socket.h>

#include <string>
#include <utility>
#include <variant>

#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "base/log.h"
#include "base/scoped_fd.h"
#include "base/status.h"
#include "base/unix_socket.h"
#include "devices/virtio/net/net.h"
#include "devices/virtio/net/net_plan.h"
#include "devices/virtio/net/passt.h"
#include "devices/virtio/net/stream_backend.h"
#include "devices/virtio/net/tap.h"
#include "devices/virtio/net/vhost_net.h"
#include "devices/virtio/vhost/vhost_control.h"

namespace touchstone {
namespace {

// About the time in which a guest sends three small frames.
constexpr absl::Duration kTransmitWait = absl::Microseconds(50);

// Opens what a plan names; one overload for each kind of source.
struct Opener {
  size_t pairs;

  using Result = absl::StatusOr<NetHost>;

  Result operator()(const NetPlan::TapName& tap) const {
    return Taps(TapBackend::OpenByName(tap.name, pairs), absl::StrCat("tap-name=", tap.name));
  }
  Result operator()(const NetPlan::TapFd& tap) const {
    const std::string key = absl::StrCat("tap-fd=", tap.fd);
    absl::StatusOr<ScopedFd> fd = Inherited(tap.fd);
    if (!fd.ok()) return Annotate(fd.status(), key);
    return Taps(TapBackend::FromFd(*std::move(fd), pairs), key);
  }
  Result operator()(const TapAddress& address) const {
    return Taps(TapBackend::Create(address, pairs), "host-ip=: making a tap");
  }
  Result operator()(const PasstCommand& passt) const {
    return Socket(StartPasst(passt), {.name = "passt", .mtu = kPasstMtu});
  }
  Result operator()(const NetPlan::SocketPath& socket) const {
    const std::string key = absl::StrCat("socket=", socket.path);
    return Socket(ConnectUnix(socket.path, SOCK_STREAM), {.name = key, .path = socket.path});
  }
  Result operator()(const NetPlan::SocketFd& socket) const {
    return Socket(Inherited(socket.fd), {.name = absl::StrCat("socket-fd=", socket.fd)});
  }

 private:
  // Ours from now on, and not our children's.
  static absl::StatusOr<ScopedFd> Inherited(int fd) {
    return OpenFile(absl::StrCat("/proc/self/fd/", fd), 0);
  }
  static Result Taps(absl::StatusOr<std::unique_ptr<TapBackend>> tap, absl::string_view what) {
    if (!tap.ok()) return Annotate(tap.status(), what);
    NetHost host = {.mtu = (*tap)->mtu()};
    host.taps = TapBackend::Release(*std::move(tap));
    return host;
  }
  static Result Socket(absl::StatusOr<ScopedFd> socket, NetHost host) {
    if (!socket.ok()) return Annotate(socket.status(), host.name);
    absl::Status status = CheckStreamSocket(socket->get());
    if (!status.ok()) return Annotate(status, host.name);
    host.socket = *std::move(socket);
    return host;
  }
};

absl::StatusOr<std::unique_ptr<NetBackend>> MakeBackend(NetHost host, EventLoop& loop) {
  if (!host.taps.empty()) return TapBackend::FromQueues(std::move(host.taps), host.mtu);
  return StreamBackend::FromSocket(std::move(host.socket), std::move(host.name), host.mtu, loop,
                                   std::move(host.path));
}

absl::StatusOr<NetPlan> PlanFor(const NetConfig& config, uint32_t vcpus) {
  ASSIGN_OR_RETURN(NetPlan plan, PlanNet(config));
  if (plan.pairs > vcpus) {
    LOG(kWarning, "net", "vq-pairs=%d is more than the %d vCPUs: one pair of queues is used",
        plan.pairs, vcpus);
    plan.pairs = 1;
  }
  return plan;
}

std::unique_ptr<VirtioDevice> MakeNet(const NetPlan& plan, std::unique_ptr<NetBackend> backend,
                                      EventLoop& loop) {
  return std::make_unique<Net>(std::move(backend),
                               Net::Options{.mac = plan.mac,
                                            .mergeable = plan.mergeable,
                                            .packed = plan.packed,
                                            .transmit_wait = kTransmitWait},
                               loop);
}

}  // namespace

bool IsVhostNet(const NetConfig& config) {
  const absl::StatusOr<NetPlan> plan = PlanNet(config);
  return plan.ok() && plan->vhost_device.has_value();
}

absl::StatusOr<NetHost> OpenNetHost(const NetConfig& config, uint32_t vcpus) {
  ASSIGN_OR_RETURN(const NetPlan plan, PlanFor(config, vcpus));
  return std::visit(Opener{plan.pairs}, plan.source);
}

absl::StatusOr<std::unique_ptr<VirtioDevice>> OpenNet(const NetConfig& config, NetHost host,
                                                      EventLoop& loop) {
  ASSIGN_OR_RETURN(const NetPlan plan, PlanNet(config));
  ASSIGN_OR_RETURN(std::unique_ptr<NetBackend> backend, MakeBackend(std::move(host), loop));
  return MakeNet(plan, std::move(backend), loop);
}

absl::StatusOr<std::unique_ptr<VirtioDevice>> OpenNet(const NetConfig& config, uint32_t vcpus,
                                                      EventLoop& loop) {
  ASSIGN_OR_RETURN(const NetPlan plan, PlanFor(config, vcpus));
  // First, as a host without it is more likely than one without the tap.
  std::unique_ptr<VhostControl> control;
  if (plan.vhost_device.has_value()) {
    absl::StatusOr<std::unique_ptr<VhostControl>> opened = OpenVhostControl(*plan.vhost_device);
    if (!opened.ok()) return Annotate(opened.status(), "vhost-net");
    control = *std::move(opened);
  }
  ASSIGN_OR_RETURN(NetHost host, std::visit(Opener{plan.pairs}, plan.source));
  ASSIGN_OR_RETURN(std::unique_ptr<NetBackend> backend, MakeBackend(std::move(host), loop));
  if (control == nullptr) return MakeNet(plan, std::move(backend), loop);
  absl::StatusOr<std::unique_ptr<VhostNet>> device = VhostNet::Create(
      std::move(control), std::move(backend), {.mac = plan.mac, .mergeable = plan.mergeable}, loop);
  if (!device.ok())
    return Annotate(device.status(), absl::StrCat("vhost-net: ", *plan.vhost_device));
  return std::unique_ptr<VirtioDevice>(*std::move(device));
}

}  // namespace touchstone
