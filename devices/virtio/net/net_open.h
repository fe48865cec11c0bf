// Makes the network device that a configuration asks for: opens the tap, and for vhost-net the
// kernel's device; or starts passt, or connects to a socket.

#ifndef TOUCHSTONE_DEVICES_VIRTIO_NET_NET_OPEN_H_
#define TOUCHSTONE_DEVICES_VIRTIO_NET_NET_OPEN_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "base/event/event_loop.h"
#include "base/scoped_fd.h"
#include "devices/virtio/core/virtio_device.h"
#include "devices/virtio/net/net.pb.h"

namespace touchstone {

// More pairs of queues than vCPUs become one, with a warning (crosvm.md 1.3). `loop` outlives the
// device. Errors name the key, the interface, file or program, and the reason.
absl::StatusOr<std::unique_ptr<VirtioDevice>> OpenNet(const NetConfig& config, uint32_t vcpus,
                                                      EventLoop& loop);

// --- The same in two steps, for a device in a process that may open nothing.

// What the host gives such a device.
struct NetHost {
  std::vector<ScopedFd> taps;   // One for each pair of queues; or
  ScopedFd socket;              // one that is connected, by
  std::string name;             // this name for messages,
  std::string path;             // and where to connect to again, if that is possible.
  std::optional<uint16_t> mtu;  // The interface's, if known.
};

// Whether the kernel moves the frames, and so needs the device in this process.
bool IsVhostNet(const NetConfig& config);
// REQUIRES: !IsVhostNet(config). Errors as OpenNet.
absl::StatusOr<NetHost> OpenNetHost(const NetConfig& config, uint32_t vcpus);
absl::StatusOr<std::unique_ptr<VirtioDevice>> OpenNet(const NetConfig& config, NetHost host,
                                                      EventLoop& loop);

}  // namespace touchstone

#endif  // TOUCHSTONE_DEVICES_VIRTIO_NET_NET_OPEN_H_
