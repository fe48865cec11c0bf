// What a NetConfig asks for, checked: everything that can be said without the host.

#ifndef TOUCHSTONE_DEVICES_VIRTIO_NET_NET_PLAN_H_
#define TOUCHSTONE_DEVICES_VIRTIO_NET_NET_PLAN_H_

#include <cstdint>
#include <optional>
#include <string>
#include <variant>

#include "absl/status/statusor.h"
#include "devices/virtio/net/net.pb.h"
#include "devices/virtio/net/net_protocol.h"
#include "devices/virtio/net/passt.h"
#include "devices/virtio/net/tap_address.h"

namespace touchstone {

struct NetPlan {
  struct TapName {
    std::string name;
  };
  struct TapFd {
    int fd = -1;
  };

  struct SocketPath {
    std::string path;
  };
  struct SocketFd {
    int fd = -1;
  };

  std::variant<TapName, TapFd, TapAddress, PasstCommand, SocketPath, SocketFd> source;
  std::optional<MacAddress> mac;  // The guest's.
  std::optional<std::string> vhost_device;
  uint32_t pairs = 1;
  bool mergeable = true;
  bool packed = false;
};

// "52:54:00:12:34:56"; of one interface, not of a group.
absl::StatusOr<MacAddress> ParseMac(absl::string_view text);

// InvalidArgument, naming the keys, for what does not go together (crosvm.md 1.3 and 4).
absl::StatusOr<NetPlan> PlanNet(const NetConfig& config);

}  // namespace touchstone

#endif  // TOUCHSTONE_DEVICES_VIRTIO_NET_NET_PLAN_H_
