// `touchstone device`: a virtio device, or several network devices, served to monitors over
// vhost-user in a process of their own (crosvm.md 3.1).

#ifndef TOUCHSTONE_VMM_DEVICE_RUN_DEVICE_H_
#define TOUCHSTONE_VMM_DEVICE_RUN_DEVICE_H_

#include <vector>

#include "absl/status/status.h"
#include "vmm/device/device_line.h"

namespace touchstone {

// Opens the devices, waits for one monitor of each and serves it until it goes, or SIGINT or
// SIGTERM comes: both are OK. Errors name the option, or the message by which a monitor made no
// sense, which is the first one's when several did. REQUIRES: the process has no other threads.
absl::Status RunDevices(const std::vector<DeviceLine>& lines);

}  // namespace touchstone

#endif  // TOUCHSTONE_VMM_DEVICE_RUN_DEVICE_H_
