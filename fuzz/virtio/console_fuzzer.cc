// A hostile driver of a console with ports or without, and a host that types, stalls and resizes
// (fuzz/support/virtio_program.h).

#include "devices/virtio/console/console_testing.h"
#include "fuzz/support/virtio_fuzzer.h"

VIRTIO_FUZZER(touchstone::ConsolePortsKit(), touchstone::ConsoleKit());
