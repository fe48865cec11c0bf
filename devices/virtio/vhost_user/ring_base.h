// How SET_VRING_BASE and GET_VRING_BASE say where a ring is (vhost-user, "Vring descriptor index
// for split virtqueues" and "for packed virtqueues").
//
//   split    bits 15-0  next entry of the available ring
//   packed   bits 14-0  next descriptor to look at, 15 its wrap counter
//            bits 30-16 next descriptor to return, 31 its wrap counter

#ifndef TOUCHSTONE_DEVICES_VIRTIO_VHOST_USER_RING_BASE_H_
#define TOUCHSTONE_DEVICES_VIRTIO_VHOST_USER_RING_BASE_H_

#include <cstdint>

#include "base/bits.h"
#include "devices/virtio/core/queue_layout.h"

namespace touchstone {

// Of a ring with nothing in flight: a split one has returned all that it has looked at.
[[nodiscard]] constexpr QueuePosition PositionOfVhostUserBase(uint32_t base, bool packed) {
  if (!packed) {
    const auto index = static_cast<uint16_t>(base);
    return {.available = index, .used = index};
  }
  return {.available = static_cast<uint16_t>(Field<uint32_t>(base, 14, 0)),
          .used = static_cast<uint16_t>(Field<uint32_t>(base, 30, 16)),
          .available_wrap = (base & Bit(15)) != 0,
          .used_wrap = (base & Bit(31)) != 0};
}

[[nodiscard]] constexpr uint32_t VhostUserBaseOf(const QueuePosition& position, bool packed) {
  if (!packed) return position.available;
  return position.available | (position.available_wrap ? Bit(15) : 0) |
         uint32_t{position.used} << 16 | (position.used_wrap ? Bit(31) : 0);
}

}  // namespace touchstone

#endif  // TOUCHSTONE_DEVICES_VIRTIO_VHOST_USER_RING_BASE_H_
