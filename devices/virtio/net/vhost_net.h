// The network device with its rings in the host's kernel: /dev/vhost-net moves the frames of a tap
// (linux/vhost.h). One pair of queues, no control queue (crosvm.md 5.5).
//
// Threads: as VhostDevice.

#ifndef TOUCHSTONE_DEVICES_VIRTIO_NET_VHOST_NET_H_
#define TOUCHSTONE_DEVICES_VIRTIO_NET_VHOST_NET_H_

#include <cstdint>
#include <memory>
#include <optional>

#include "absl/status/statusor.h"
#include "base/event/event_loop.h"
#include "devices/virtio/net/net_backend.h"
#include "devices/virtio/net/net_protocol.h"
#include "devices/virtio/vhost/vhost_control.h"
#include "devices/virtio/vhost/vhost_device.h"

namespace touchstone {

class VhostNet final : public VhostDevice {
 public:
  struct Options {
    std::optional<MacAddress> mac;
    bool mergeable = true;
  };

  // `tap` is a TapBackend with one pair, or what a test puts in its place. Claims `control`; an
  // error names the request.
  static absl::StatusOr<std::unique_ptr<VhostNet>> Create(std::unique_ptr<VhostControl> control,
                                                          std::unique_ptr<NetBackend> tap,
                                                          Options options, EventLoop& loop);

  void ReadConfig(uint32_t offset, absl::Span<uint8_t> data) override;

 private:
  VhostNet(uint64_t available, std::unique_ptr<VhostControl> control,
           std::unique_ptr<NetBackend> tap, Options options, EventLoop& loop);

  absl::Status Connect(uint16_t queue) override;
  void Disconnect(uint16_t queue) override;

  const Options options_;
  const std::unique_ptr<NetBackend> tap_;
};

}  // namespace touchstone

#endif  // TOUCHSTONE_DEVICES_VIRTIO_NET_VHOST_NET_H_
