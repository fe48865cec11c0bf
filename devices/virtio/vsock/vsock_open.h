// Makes the socket device that the configuration asks for (--vsock): over unix sockets with
// socket=, else the kernel's (vhost).

#ifndef TOUCHSTONE_DEVICES_VIRTIO_VSOCK_VSOCK_OPEN_H_
#define TOUCHSTONE_DEVICES_VIRTIO_VSOCK_VSOCK_OPEN_H_

#include <memory>

#include "absl/status/statusor.h"
#include "base/event/event_loop.h"
#include "devices/virtio/core/virtio_device.h"
#include "devices/virtio/vsock/vsock.pb.h"

namespace touchstone {

// Listens at socket=, or opens device=. `loop` outlives the device. With unix sockets every
// connection is a descriptor of this process, so its soft limit on them is raised to the hard one.
// REQUIRES: the configuration is valid. Errors name the key, the file and the reason; one about a
// missing device says what socket= is for.
absl::StatusOr<std::unique_ptr<VirtioDevice>> OpenVsock(const VsockConfig& config, EventLoop& loop);

}  // namespace touchstone

#endif  // TOUCHSTONE_DEVICES_VIRTIO_VSOCK_VSOCK_OPEN_H_
