// How a device behind a vhost-user socket reaches its driver: a call and an error descriptor for
// each queue, and messages on the socket of SET_BACKEND_REQ_FD.
//
// A descriptor that nobody has set yet is not lost on the driver: it is signalled when it comes.
//
// Thread-safe: the device signals from its threads while messages change descriptors.

#ifndef TOUCHSTONE_DEVICES_VIRTIO_VHOST_USER_BACKEND_INTERRUPT_H_
#define TOUCHSTONE_DEVICES_VIRTIO_VHOST_USER_BACKEND_INTERRUPT_H_

#include <cstdint>
#include <optional>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "base/event_fd.h"
#include "base/mutex.h"
#include "base/scoped_fd.h"
#include "devices/virtio/core/virtio_interrupt.h"
#include "devices/virtio/vhost_user/connection.h"

namespace touchstone {

class VhostUserBackendInterrupt final : public VirtioInterrupt {
 public:
  explicit VhostUserBackendInterrupt(size_t queues) : lines_(queues) {}

  // --- The device's side.
  void SignalQueue(uint16_t index) override;
  void SignalConfig() override;
  void QueueBroken(uint16_t index) override;

  // --- The socket's side. REQUIRES: the queue exists.

  // Nothing when the front end polls.
  void SetCall(uint16_t index, std::optional<EventFd> call);
  void SetError(uint16_t index, std::optional<EventFd> error);
  void SetChannel(ScopedFd socket);
  // Whether a queue is broken, since the last reset or ForgetBroken.
  [[nodiscard]] bool any_broken() const;
  void ForgetBroken();
  // Forgets the descriptors of all queues.
  void Reset();

 private:
  struct Line {
    std::optional<EventFd> call;
    std::optional<EventFd> error;
    bool call_missed = false;
    bool error_missed = false;
    bool broken = false;
  };

  mutable Mutex mutex_;
  std::vector<Line> lines_ ABSL_GUARDED_BY(mutex_);
  std::optional<VhostUserConnection> channel_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace touchstone

#endif  // TOUCHSTONE_DEVICES_VIRTIO_VHOST_USER_BACKEND_INTERRUPT_H_
