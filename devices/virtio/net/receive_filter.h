// Which frames the driver wants (Virtio 1.2, 5.1.6.5.1 and 5.1.6.5.2), by their destination.
//
// Until the driver says otherwise all pass. Thread-compatible.

#ifndef TOUCHSTONE_DEVICES_VIRTIO_NET_RECEIVE_FILTER_H_
#define TOUCHSTONE_DEVICES_VIRTIO_NET_RECEIVE_FILTER_H_

#include <cstddef>
#include <optional>
#include <vector>

#include "devices/virtio/net/net_protocol.h"

namespace touchstone {

struct ReceiveFilter {
  // A table beyond this is not kept; all frames of its kind pass then.
  static constexpr size_t kMaxTable = 64;

  bool promiscuous = true;
  bool all_multicast = false;
  std::optional<MacAddress> mac;  // The device's own; unknown when the driver made one up.
  std::vector<MacAddress> unicast;
  std::vector<MacAddress> multicast;
  bool unicast_overflow = false;
  bool multicast_overflow = false;

  [[nodiscard]] bool Accepts(const MacAddress& destination) const;
};

}  // namespace touchstone

#endif  // TOUCHSTONE_DEVICES_VIRTIO_NET_RECEIVE_FILTER_H_
