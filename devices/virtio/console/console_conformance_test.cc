#include "devices/virtio/console/console_testing.h"
#include "devices/virtio/testing/conformance.h"

namespace touchstone {

INSTANTIATE_VIRTIO_CONFORMANCE(Console, ConsoleKit());
INSTANTIATE_VIRTIO_CONFORMANCE(ConsolePorts, ConsolePortsKit());

}  // namespace touchstone
