// The virtio devices of a machine that other processes provide: --vhost-user and its older
// spellings (crosvm.md 3.2, "Frontend behaviour").

#ifndef TOUCHSTONE_VMM_MACHINE_VHOST_USER_DEVICES_H_
#define TOUCHSTONE_VMM_MACHINE_VHOST_USER_DEVICES_H_

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "base/event/event_loop.h"
#include "devices/virtio/core/virtio_device.h"
#include "vmm/config/config.pb.h"

namespace touchstone {

// One of them.
struct VhostUserEntry {
  std::string name;    // For messages: "vhost-user block /run/disk.sock".
  std::string option;  // "--vhost-user".
  VhostUserConfig config;
  std::string tag;  // Of a shared directory, when its process does not say it.
};

// All of them, in crosvm's order: --vhost-user-fs, --vhost-user, then the other older options.
std::vector<VhostUserEntry> VhostUserEntries(const RunConfig& config);
// Whether guest memory is shared with other processes.
bool HasVhostUserDevices(const RunConfig& config);

// Connects to the process. Its socket has to be there, or come within so many milliseconds.
// "/proc/self/fd/N" is an inherited descriptor of a connected socket. Errors name the option.
absl::StatusOr<std::unique_ptr<VirtioDevice>> OpenVhostUser(const VhostUserEntry& entry,
                                                            uint32_t timeout_ms, EventLoop& loop);

}  // namespace touchstone

#endif  // TOUCHSTONE_VMM_MACHINE_VHOST_USER_DEVICES_H_
