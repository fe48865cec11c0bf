// What a tap that is made for the occasion gets.

#ifndef TOUCHSTONE_DEVICES_VIRTIO_NET_TAP_ADDRESS_H_
#define TOUCHSTONE_DEVICES_VIRTIO_NET_TAP_ADDRESS_H_

#include <cstdint>

#include "devices/virtio/net/net_protocol.h"

namespace touchstone {

struct TapAddress {
  uint32_t ip = 0;  // The host's, in host order, as is the mask.
  uint32_t netmask = 0;
  MacAddress mac = {};  // The host's.
};

}  // namespace touchstone

#endif  // TOUCHSTONE_DEVICES_VIRTIO_NET_TAP_ADDRESS_H_
