// What guest tests of devices share on the host's side: how much is asked of them, and commands.

#ifndef TOUCHSTONE_INTEGRATION_VIRTIO_TEST_RUN_H_
#define TOUCHSTONE_INTEGRATION_VIRTIO_TEST_RUN_H_

#include <string>

namespace touchstone {

// True when the test was given --full: volumes are those of the figures, not of the presubmit.
bool IsFullRun();

// What a shell command of the host says on standard output and error.
std::string HostSays(const std::string& command);

}  // namespace touchstone

#endif  // TOUCHSTONE_INTEGRATION_VIRTIO_TEST_RUN_H_
