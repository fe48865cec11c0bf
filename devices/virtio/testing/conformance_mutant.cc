// The suite for all devices on an echo device with the mistake that the environment variable DEFECT
// gives the number of: conformance_mutants_test.sh runs it for each.

#include <cstdlib>

#include "devices/virtio/testing/conformance.h"
#include "devices/virtio/testing/echo_device.h"

namespace touchstone {
namespace {

DeviceKit Mutant() {
  const char* const defect = getenv("DEFECT");
  return EchoKit(static_cast<EchoDefect>(defect != nullptr ? atoi(defect) : 0));
}

INSTANTIATE_VIRTIO_CONFORMANCE(Mutant, Mutant());

}  // namespace
}  // namespace touchstone
