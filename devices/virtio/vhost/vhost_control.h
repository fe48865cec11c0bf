// The ioctls of a kernel device that works on virtqueues: /dev/vhost-net, /dev/vhost-vsock.
//
//   ASSIGN_OR_RETURN(std::unique_ptr<VhostControl> control, OpenVhostControl("/dev/vhost-net"));
//   RETURN_IF_ERROR(VHOST_CALL(*control, VHOST_SET_OWNER, nullptr));
//
// The narrow waist between VhostDevice and the kernel; FakeVhostControl stands in for it in tests.

#ifndef TOUCHSTONE_DEVICES_VIRTIO_VHOST_VHOST_CONTROL_H_
#define TOUCHSTONE_DEVICES_VIRTIO_VHOST_VHOST_CONTROL_H_

#include <memory>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "base/scoped_fd.h"

namespace touchstone {

// Thread-safe, but for the fake.
class VhostControl {
 public:
  virtual ~VhostControl() = default;

  // One of VHOST_*; `argument` is what linux/vhost.h says for it. An error reads
  // "VHOST_SET_OWNER: Device or resource busy".
  virtual absl::Status Call(unsigned long request, const char* name, void* argument) = 0;
};

// Opens a device node. Errors name the path; a node that is missing says which module makes it.
absl::StatusOr<std::unique_ptr<VhostControl>> OpenVhostControl(absl::string_view path);

// Takes a device that is open already.
std::unique_ptr<VhostControl> VhostControlOf(ScopedFd fd);

}  // namespace touchstone

#define VHOST_CALL(control, request, argument) (control).Call((request), #request, (argument))

#endif  // TOUCHSTONE_DEVICES_VIRTIO_VHOST_VHOST_CONTROL_H_
