// The other side of DeviceHost: a virtio device as a process in its jail, which serves it over
// vhost-user until its front end hangs up.

#ifndef TOUCHSTONE_VMM_MACHINE_JAILED_DEVICE_H_
#define TOUCHSTONE_VMM_MACHINE_JAILED_DEVICE_H_

#include "absl/strings/string_view.h"
#include "vmm/jail/jail_report.h"
#include "vmm/machine/jailed_device.pb.h"

namespace touchstone {

// The sub-command, which is not for people. Its operand is the device's name, for ps.
inline constexpr absl::string_view kJailedDeviceCommand = "jailed-device";

// Its descriptors: a JailedDeviceConfig, the vhost-user socket, what the device needs.
inline constexpr int kJailedConfigFd = kJailFirstFd;
inline constexpr int kJailedSocketFd = kJailFirstFd + 1;
inline constexpr int kJailedDeviceFd = kJailFirstFd + 2;

// Runs until the front end has hung up, and returns the exit status. What goes wrong is logged.
// `confined`, if there is one, is called between the confinement and the first thing that the
// device does: for a test's program that looks at the jail from within. REQUIRES: a child of
// DeviceHost, with one thread.
int RunJailedDevice(void (*confined)(const JailedDeviceConfig&) = nullptr);

}  // namespace touchstone

#endif  // TOUCHSTONE_VMM_MACHINE_JAILED_DEVICE_H_
