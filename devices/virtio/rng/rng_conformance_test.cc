#include "devices/virtio/rng/rng_testing.h"
#include "devices/virtio/testing/conformance.h"

namespace touchstone {

INSTANTIATE_VIRTIO_CONFORMANCE(Rng, RngKit());

}  // namespace touchstone
