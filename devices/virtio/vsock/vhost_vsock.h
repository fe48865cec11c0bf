// The socket device (Virtio 1.2, 5.10) that the host's kernel implements: /dev/vhost-vsock.
// Programs of the host reach the guest with AF_VSOCK sockets, at its address.
//
// The kernel begins when both data queues are there, and works on no event queue. There, the driver
// is told after a restore that its connections are gone (5.10.6.7), which are the kernel's.
//
// Ownership: the loop is borrowed. Threads: as VhostDevice.

#ifndef TOUCHSTONE_DEVICES_VIRTIO_VSOCK_VHOST_VSOCK_H_
#define TOUCHSTONE_DEVICES_VIRTIO_VSOCK_VHOST_VSOCK_H_

#include <array>
#include <cstdint>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "base/event/event_loop.h"
#include "devices/virtio/core/virt_queue.h"
#include "devices/virtio/vhost/vhost_control.h"
#include "devices/virtio/vhost/vhost_device.h"

namespace touchstone {

class VhostVsock final : public VhostDevice {
 public:
  // Gives the kernel the guest's address. Errors name the call: a CID that another guest of this
  // host has is "Address already in use".
  static absl::StatusOr<std::unique_ptr<VhostVsock>> Create(
      std::unique_ptr<VhostControl> control, uint64_t guest_cid,
      const std::array<uint16_t, 3>& queue_sizes, EventLoop& loop);

  void ReadConfig(uint32_t offset, absl::Span<uint8_t> data) override;

  // A VsockState.
  absl::StatusOr<std::string> Save() override;
  absl::Status Restore(absl::string_view state) override;

 private:
  VhostVsock(uint64_t available, std::unique_ptr<VhostControl> control, uint64_t guest_cid,
             const std::array<uint16_t, 3>& queue_sizes, EventLoop& loop);

  absl::Status Connect(uint16_t queue) override;
  void Disconnect(uint16_t queue) override;
  void OwnQueueStarted(uint16_t queue, VirtQueue& events) override;
  absl::Status SetRunning(bool running);

  const uint64_t guest_cid_;
  bool running_ = false;
  bool has_run_ = false;
  bool transport_reset_ = false;  // To be told of.
};

}  // namespace touchstone

#endif  // TOUCHSTONE_DEVICES_VIRTIO_VSOCK_VHOST_VSOCK_H_
