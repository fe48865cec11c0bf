#include "devices/virtio/net/vhost_net.h"

#include <algorithm>
#include <cstring>
#include <string>
#include <utility>

#include "base/log.h"
#include "base/status.h"
#include "devices/virtio/vhost/vhost_abi.h"

namespace touchstone {
namespace {

constexpr uint32_t kDeviceId = 1;
constexpr uint16_t kQueueSize = 256;

}  // namespace

absl::StatusOr<std::unique_ptr<VhostNet>> VhostNet::Create(std::unique_ptr<VhostControl> control,
                                                           std::unique_ptr<NetBackend> tap,
                                                           Options options, EventLoop& loop) {
  ASSIGN_OR_RETURN(const uint64_t available, Claim(*control));
  return std::unique_ptr<VhostNet>(
      new VhostNet(available, std::move(control), std::move(tap), options, loop));
}

// The kernel of the rings does not care about what is in a frame's header; that is between the
// driver and the tap.
VhostNet::VhostNet(uint64_t available, std::unique_ptr<VhostControl> control,
                   std::unique_ptr<NetBackend> tap, Options options, EventLoop& loop)
    : VhostDevice({.device_id = kDeviceId,
                   .queue_sizes = {kQueueSize, kQueueSize},
                   .kernel_queues = 2,
                   .kernel_features = options.mergeable ? kNetMergeable : 0,
                   .own_features = tap->offloads() | (options.mac.has_value() ? kNetMac : 0)},
                  available, std::move(control), loop),
      options_(options),
      tap_(std::move(tap)) {}

void VhostNet::ReadConfig(uint32_t offset, absl::Span<uint8_t> data) {
  NetConfigLayout config = {};
  config.mac = options_.mac.value_or(MacAddress{});
  config.status = kNetLinkUp;
  config.max_pairs = 1;
  config.mtu = tap_->mtu().value_or(0);
  if (offset >= sizeof(config)) return;
  memcpy(data.data(), reinterpret_cast<const uint8_t*>(&config) + offset,
         std::min<size_t>(data.size(), sizeof(config) - offset));
}

absl::Status VhostNet::Connect(uint16_t queue) {
  RETURN_IF_ERROR(tap_->SetGuestOffloads(driver().features & kNetGuestOffloadBits));
  vhost_vring_file backend = {.index = queue, .fd = tap_->port(0).fd()};
  return VHOST_CALL(control(), VHOST_NET_SET_BACKEND, &backend);
}

void VhostNet::Disconnect(uint16_t queue) {
  vhost_vring_file backend = {.index = queue, .fd = VHOST_FILE_UNBIND};
  absl::Status status = VHOST_CALL(control(), VHOST_NET_SET_BACKEND, &backend);
  if (!status.ok()) LOG(kError, "net", "%s", std::string(status.message()));
}

}  // namespace touchstone
