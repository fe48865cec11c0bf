// A hostile driver of the socket device, and programs of the host that say, stall and leave
// (fuzz/support/virtio_program.h; devices/virtio/vsock/vsock_testing.h has the host's events).

#include "devices/virtio/vsock/vsock_testing.h"
#include "fuzz/support/virtio_fuzzer.h"

VIRTIO_FUZZER(touchstone::VsockKit());
