#include "devices/virtio/net/net_open.h"

#include <string>
#include <utility>
#include <variant>

#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "base/log.h"
#include "base/scoped_fd.h"
#include "base/status.h"
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
  EventLoop& loop;

  using Result = absl::StatusOr<std::unique_ptr<NetBackend>>;

  Result operator()(const NetPlan::TapName& tap) const {
    return Named(TapBackend::OpenByName(tap.name, pairs), absl::StrCat("tap-name=", tap.name));
  }
  Result operator()(const NetPlan::TapFd& tap) const {
    const std::string key = absl::StrCat("tap-fd=", tap.fd);
    absl::StatusOr<ScopedFd> fd = Inherited(tap.fd);
    if (!fd.ok()) return Annotate(fd.status(), key);
    return Named(TapBackend::FromFd(*std::move(fd), pairs), key);
  }
  Result operator()(const TapAddress& address) const {
    return Named(TapBackend::Create(address, pairs), "host-ip=: making a tap");
  }
  Result operator()(const PasstCommand& passt) const {
    absl::StatusOr<ScopedFd> socket = StartPasst(passt);
    if (!socket.ok()) return Annotate(socket.status(), "passt");
    return Named(StreamBackend::FromSocket(*std::move(socket), "passt", kPasstMtu, loop), "passt");
  }
  Result operator()(const NetPlan::SocketPath& socket) const {
    return Named(StreamBackend::Connect(socket.path, loop), absl::StrCat("socket=", socket.path));
  }
  Result operator()(const NetPlan::SocketFd& socket) const {
    const std::string key = absl::StrCat("socket-fd=", socket.fd);
    absl::StatusOr<ScopedFd> fd = Inherited(socket.fd);
    if (!fd.ok()) return Annotate(fd.status(), key);
    return Named(StreamBackend::FromSocket(*std::move(fd), key, std::nullopt, loop), key);
  }

 private:
  // Ours from now on, and not our children's.
  static absl::StatusOr<ScopedFd> Inherited(int fd) {
    return OpenFile(absl::StrCat("/proc/self/fd/", fd), 0);
  }
  template <typename Backend>
  static Result Named(absl::StatusOr<std::unique_ptr<Backend>> result, absl::string_view what) {
    if (!result.ok()) return Annotate(result.status(), what);
    return *std::move(result);
  }
};

}  // namespace

absl::StatusOr<std::unique_ptr<VirtioDevice>> OpenNet(const NetConfig& config, uint32_t vcpus,
                                                      EventLoop& loop) {
  ASSIGN_OR_RETURN(NetPlan plan, PlanNet(config));
  if (plan.pairs > vcpus) {
    LOG(kWarning, "net", "vq-pairs=%d is more than the %d vCPUs: one pair of queues is used",
        plan.pairs, vcpus);
    plan.pairs = 1;
  }
  // First, as a host without it is more likely than one without the tap.
  std::unique_ptr<VhostControl> control;
  if (plan.vhost_device.has_value()) {
    absl::StatusOr<std::unique_ptr<VhostControl>> opened = OpenVhostControl(*plan.vhost_device);
    if (!opened.ok()) return Annotate(opened.status(), "vhost-net");
    control = *std::move(opened);
  }
  ASSIGN_OR_RETURN(std::unique_ptr<NetBackend> backend,
                   std::visit(Opener{plan.pairs, loop}, plan.source));
  if (control == nullptr) {
    const Net::Options options = {.mac = plan.mac,
                                  .mergeable = plan.mergeable,
                                  .packed = plan.packed,
                                  .transmit_wait = kTransmitWait};
    return std::make_unique<Net>(std::move(backend), options, loop);
  }
  absl::StatusOr<std::unique_ptr<VhostNet>> device = VhostNet::Create(
      std::move(control), std::move(backend), {.mac = plan.mac, .mergeable = plan.mergeable}, loop);
  if (!device.ok())
    return Annotate(device.status(), absl::StrCat("vhost-net: ", *plan.vhost_device));
  return std::unique_ptr<VirtioDevice>(*std::move(device));
}

}  // namespace touchstone
