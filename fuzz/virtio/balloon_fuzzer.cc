// A hostile driver of the balloon, and a host that asks and refuses
// (fuzz/support/virtio_program.h).

#include "devices/virtio/balloon/balloon_testing.h"
#include "fuzz/support/virtio_fuzzer.h"

VIRTIO_FUZZER(touchstone::BalloonKit());
