#include "devices/virtio/net/net_testing.h"
#include "devices/virtio/testing/conformance.h"

namespace touchstone {

INSTANTIATE_VIRTIO_CONFORMANCE(Net, NetKit());
INSTANTIATE_VIRTIO_CONFORMANCE(NetPairs, NetPairsKit());

}  // namespace touchstone
