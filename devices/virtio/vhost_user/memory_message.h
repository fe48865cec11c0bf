// How guest memory and the rings in it are named to a vhost-user back end: by user addresses that
// are made up, and say nothing about this process.

#ifndef TOUCHSTONE_DEVICES_VIRTIO_VHOST_USER_MEMORY_MESSAGE_H_
#define TOUCHSTONE_DEVICES_VIRTIO_VHOST_USER_MEMORY_MESSAGE_H_

#include <cstdint>
#include <vector>

#include "base/memory/guest_memory.h"
#include "devices/virtio/core/queue_layout.h"
#include "devices/virtio/vhost_user/message.h"

namespace touchstone {

struct VhostUserMemoryMessage {
  std::vector<uint8_t> payload;
  std::vector<int> fds;  // Borrowed from the memory.
};

// Of SET_MEM_TABLE. REQUIRES: no more regions than kVhostUserTableRegions, each with a descriptor.
VhostUserMemoryMessage VhostUserMemoryOf(const GuestMemory& memory);

// Of SET_VRING_ADDR. A logged ring is logged where it is.
VhostUserVringAddress VhostUserAddressOf(uint16_t index, const QueueLayout& layout, bool logged);

}  // namespace touchstone

#endif  // TOUCHSTONE_DEVICES_VIRTIO_VHOST_USER_MEMORY_MESSAGE_H_
