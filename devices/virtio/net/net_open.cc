#include "devices/virtio/net/net_open.h"

#include <string>
#include <utility>
#include <variant>

#include "absl/strings/str_cat.h"
#include "base/log.h"
#include "base/scoped_fd.h"
#include "base/status.h"
#include "devices/virtio/net/net.h"
#include "devices/virtio/net/net_plan.h"
#include "devices/virtio/net/tap.h"
#include "devices/virtio/net/vhost_net.h"
#include "devices/virtio/vhost/vhost_control.h"

namespace touchstone {
namespace {

// Opens what a plan names; one overload for each kind of source.
struct Opener {
  size_t pairs;

  using Result = absl::StatusOr<std::unique_ptr<TapBackend>>;

  Result operator()(const NetPlan::TapName& tap) const {
    return Named(TapBackend::OpenByName(tap.name, pairs), absl::StrCat("tap-name=", tap.name));
  }
  Result operator()(const NetPlan::TapFd& tap) const {
    const std::string key = absl::StrCat("tap-fd=", tap.fd);
    // Ours from now on, and not our children's.
    absl::StatusOr<ScopedFd> fd = OpenFile(absl::StrCat("/proc/self/fd/", tap.fd), 0);
    if (!fd.ok()) return Annotate(fd.status(), key);
    return Named(TapBackend::FromFd(*std::move(fd), pairs), key);
  }
  Result operator()(const TapAddress& address) const {
    return Named(TapBackend::Create(address, pairs), "host-ip=: making a tap");
  }

 private:
  static Result Named(Result result, absl::string_view what) {
    if (!result.ok()) return Annotate(result.status(), what);
    return result;
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
  ASSIGN_OR_RETURN(std::unique_ptr<TapBackend> tap, std::visit(Opener{plan.pairs}, plan.source));
  if (!plan.vhost_device.has_value()) {
    const Net::Options options = {
        .mac = plan.mac, .mergeable = plan.mergeable, .packed = plan.packed};
    return std::make_unique<Net>(std::move(tap), options, loop);
  }
  absl::StatusOr<std::unique_ptr<VhostControl>> control = OpenVhostControl(*plan.vhost_device);
  if (!control.ok()) return Annotate(control.status(), "vhost-net");
  absl::StatusOr<std::unique_ptr<VhostNet>> device = VhostNet::Create(
      *std::move(control), std::move(tap), {.mac = plan.mac, .mergeable = plan.mergeable}, loop);
  if (!device.ok())
    return Annotate(device.status(), absl::StrCat("vhost-net: ", *plan.vhost_device));
  return std::unique_ptr<VirtioDevice>(*std::move(device));
}

}  // namespace touchstone
