// Makes the socket device that the configuration asks for (--vsock): over unix sockets with
// socket=, else the kernel's (vhost).

#ifndef TOUCHSTONE_DEVICES_VIRTIO_VSOCK_VSOCK_OPEN_H_
#define TOUCHSTONE_DEVICES_VIRTIO_VSOCK_VSOCK_OPEN_H_

#include <array>
#include <cstdint>
#include <memory>

#include "absl/status/statusor.h"
#include "base/event/event_loop.h"
#include "base/fd_socket.h"
#include "base/scoped_fd.h"
#include "devices/virtio/core/virtio_device.h"
#include "devices/virtio/vsock/vsock.pb.h"

namespace touchstone {

// Listens at socket=, or opens device=. `loop` outlives the device. With unix sockets every
// connection is a descriptor of this process, so its soft limit on them is raised to the hard one.
// REQUIRES: the configuration is valid. Errors name the key, the file and the reason; one about a
// missing device says what socket= is for.
absl::StatusOr<std::unique_ptr<VirtioDevice>> OpenVsock(const VsockConfig& config, EventLoop& loop);

// --- With socket=, in two steps, for a device in a process that may open nothing.

// Listens at socket=. REQUIRES: config.has_socket().
absl::StatusOr<FdListener> ListenForVsock(const VsockConfig& config);
// `listener` is a descriptor of that. As many connections as the process may have descriptors.
std::unique_ptr<VirtioDevice> OpenVsock(const VsockConfig& config, ScopedFd listener,
                                        EventLoop& loop);

// Of the device that OpenVsock makes.
std::array<uint16_t, 3> VsockQueueSizes(const VsockConfig& config);

}  // namespace touchstone

#endif  // TOUCHSTONE_DEVICES_VIRTIO_VSOCK_VSOCK_OPEN_H_
