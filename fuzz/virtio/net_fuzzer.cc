// A hostile driver of the network device with two pairs of queues, and a network that sends
// anything, is busy and goes (fuzz/support/virtio_program.h; devices/virtio/net/net_testing.h has
// the host's events).

#include "devices/virtio/net/net_testing.h"
#include "fuzz/support/virtio_fuzzer.h"

VIRTIO_FUZZER(touchstone::NetPairsKit());
