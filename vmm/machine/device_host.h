// Puts virtio devices into jailed processes of their own, and hands back what the machine takes for
// the device: a vhost-user front end.
//
//   DeviceHost ──spawns──► touchstone jailed-device (vmm/jail)
//     VhostUserFrontend ◄──vhost-user──► VhostUserBackend, Rng
//
// The guest's kicks and the device's interrupts go between the kernel and the child; this process
// is not on the data path. When a child dies, the log says which and of what, the guest is told to
// reset the device (NEEDS_RESET), and everything else goes on.
//
// Thread-compatible.

#ifndef TOUCHSTONE_VMM_MACHINE_DEVICE_HOST_H_
#define TOUCHSTONE_VMM_MACHINE_DEVICE_HOST_H_

#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "base/event/event_loop.h"
#include "base/scoped_fd.h"
#include "devices/virtio/core/virtio_device.h"
#include "devices/virtio/vhost_user/frontend.h"
#include "vmm/config/config.pb.h"
#include "vmm/jail/filter_source.h"
#include "vmm/machine/jailed_device.pb.h"

namespace touchstone {

class DeviceHost {
 public:
  struct Options {
    FilterSource filters;
    std::string pivot_root;                     // Empty: an empty file system.
    std::string executable = "/proc/self/exe";  // Has the sub-command kJailedDeviceCommand.
  };

  struct Request {
    std::string policy;         // As for LoadFilter.
    JailedDeviceConfig config;  // Without its filter.
    // The device's descriptors: the first is kJailedDeviceFd in the child.
    std::vector<ScopedFd> fds;
    VhostUserFrontend::Options device;
  };

  struct Hosted {
    std::unique_ptr<VirtioDevice> device;
    // Kills the child when it goes, and speaks of its death. Destroyed on the loop's thread, or
    // while the loop does not run.
    std::shared_ptr<void> process;
  };

  // Whether devices of this configuration are jailed: by --pivot-root, --seccomp-policy-dir or
  // --seccomp-log-failures, unless --disable-sandbox is there (crosvm.md 2.2).
  static bool Wanted(const RunConfig& config);

  // The loop is borrowed, and outlives what is hosted.
  DeviceHost(EventLoop& loop, Options options) : loop_(loop), options_(std::move(options)) {}

  // Returns when the device answers. Errors say which step failed.
  [[nodiscard]] absl::StatusOr<Hosted> Host(Request request) const;

 private:
  EventLoop& loop_;
  const Options options_;
};

}  // namespace touchstone

#endif  // TOUCHSTONE_VMM_MACHINE_DEVICE_HOST_H_
