// Makes the network device that a configuration asks for: opens the tap, and for vhost-net the
// kernel's device; or starts passt, or connects to a socket.

#ifndef TOUCHSTONE_DEVICES_VIRTIO_NET_NET_OPEN_H_
#define TOUCHSTONE_DEVICES_VIRTIO_NET_NET_OPEN_H_

#include <cstdint>
#include <memory>

#include "absl/status/statusor.h"
#include "base/event/event_loop.h"
#include "devices/virtio/core/virtio_device.h"
#include "devices/virtio/net/net.pb.h"

namespace touchstone {

// More pairs of queues than vCPUs become one, with a warning (crosvm.md 1.3). `loop` outlives the
// device. Errors name the key, the interface, file or program, and the reason.
absl::StatusOr<std::unique_ptr<VirtioDevice>> OpenNet(const NetConfig& config, uint32_t vcpus,
                                                      EventLoop& loop);

}  // namespace touchstone

#endif  // TOUCHSTONE_DEVICES_VIRTIO_NET_NET_OPEN_H_
