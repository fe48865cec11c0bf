// A hostile driver of the entropy device, and a source that fails (fuzz/support/virtio_program.h).

#include "devices/virtio/rng/rng_testing.h"
#include "fuzz/support/virtio_fuzzer.h"

VIRTIO_FUZZER(touchstone::RngKit());
