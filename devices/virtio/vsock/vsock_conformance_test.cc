#include "devices/virtio/testing/conformance.h"
#include "devices/virtio/vsock/vsock_testing.h"

namespace touchstone {

INSTANTIATE_VIRTIO_CONFORMANCE(Vsock, VsockKit());

}  // namespace touchstone
