// A device's state on its way to or from a front end (vhost-user, "Transferring device state"): a
// descriptor that one side writes and closes, and the other reads to the end.
//
//   SET_DEVICE_STATE_FD -> Begin; ...; CHECK_DEVICE_STATE -> Check
//
// Nobody waits for the front end: what it does not take or give at once is moved on the loop.
//
// Ownership: device and loop are borrowed. Threads: on the loop's thread.

#ifndef TOUCHSTONE_DEVICES_VIRTIO_VHOST_USER_STATE_TRANSFER_H_
#define TOUCHSTONE_DEVICES_VIRTIO_VHOST_USER_STATE_TRANSFER_H_

#include <cstddef>
#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "base/event/event_loop.h"
#include "base/scoped_fd.h"
#include "devices/virtio/core/virtio_device.h"

namespace touchstone {

// Of any device.
inline constexpr size_t kVhostUserMaxState = 16 << 20;

class VhostUserStateTransfer {
 public:
  VhostUserStateTransfer(VirtioDevice& device, EventLoop& loop) : device_(device), loop_(loop) {}

  // No queue runs. Direction and phase as in SET_DEVICE_STATE_FD. Ends one that was under way.
  absl::Status Begin(uint32_t direction, uint32_t phase, ScopedFd fd);
  // Whether all of the state went out or came in, and the device took it.
  absl::Status Check();
  // Ends one that is under way.
  void GiveUp();

 private:
  void Write();
  void Read();
  void End(absl::Status status);

  VirtioDevice& device_;
  EventLoop& loop_;
  ScopedFd fd_;  // While it is under way.
  bool loading_ = false;
  std::string state_;
  size_t written_ = 0;
  absl::Status result_ = absl::FailedPreconditionError("no state was transferred");
  Watch watch_;
};

}  // namespace touchstone

#endif  // TOUCHSTONE_DEVICES_VIRTIO_VHOST_USER_STATE_TRANSFER_H_
