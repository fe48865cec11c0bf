// The suite on a device that uses all of what QueueDevice offers.

#include "devices/virtio/testing/conformance.h"

#include "devices/virtio/testing/echo_device.h"

namespace touchstone {

INSTANTIATE_VIRTIO_CONFORMANCE(Echo, EchoKit());

}  // namespace touchstone
