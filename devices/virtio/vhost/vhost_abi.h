// <linux/vhost.h> for C++. Everything here includes this instead.
//
// The header pulls in inline functions for legacy rings that are C only.

#ifndef TOUCHSTONE_DEVICES_VIRTIO_VHOST_VHOST_ABI_H_
#define TOUCHSTONE_DEVICES_VIRTIO_VHOST_VHOST_ABI_H_

#define VIRTIO_RING_NO_LEGACY
#include <linux/vhost.h>

static_assert(sizeof(vhost_memory) == 8);
static_assert(sizeof(vhost_memory_region) == 32);
static_assert(sizeof(vhost_vring_addr) == 40);

#endif  // TOUCHSTONE_DEVICES_VIRTIO_VHOST_VHOST_ABI_H_
