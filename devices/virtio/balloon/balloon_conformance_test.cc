#include "devices/virtio/balloon/balloon_testing.h"
#include "devices/virtio/testing/conformance.h"

namespace touchstone {

INSTANTIATE_VIRTIO_CONFORMANCE(Balloon, BalloonKit());

}  // namespace touchstone
