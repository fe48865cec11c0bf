// `touchstone device`: one virtio device, served to a monitor over vhost-user in a process of its
// own (crosvm.md 3.1).

#ifndef TOUCHSTONE_VMM_DEVICE_RUN_DEVICE_H_
#define TOUCHSTONE_VMM_DEVICE_RUN_DEVICE_H_

#include "absl/status/status.h"
#include "vmm/device/device_line.h"

namespace touchstone {

// Opens the device, waits for one monitor and serves it until it goes, or SIGINT or SIGTERM comes:
// both are OK. Errors name the option, or the message by which the monitor made no sense. REQUIRES:
// the process has no other threads.
absl::Status RunDevice(const DeviceLine& line);

}  // namespace touchstone

#endif  // TOUCHSTONE_VMM_DEVICE_RUN_DEVICE_H_
