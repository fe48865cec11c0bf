// How a device reaches its driver: the transport, a vhost-user front end or a test implements it.

#ifndef TOUCHSTONE_DEVICES_VIRTIO_CORE_VIRTIO_INTERRUPT_H_
#define TOUCHSTONE_DEVICES_VIRTIO_CORE_VIRTIO_INTERRUPT_H_

#include <cstdint>
#include <functional>

#include "base/event_fd.h"

namespace touchstone {

// Thread-safe; never blocks on a lock that is held around a call into the device.
class VirtioInterrupt {
 public:
  virtual ~VirtioInterrupt() = default;

  // Chains of this queue came back. Ask VirtQueue::NeedsSignal first. In vhost-user: the call
  // descriptor.
  virtual void SignalQueue(uint16_t index) = 0;
  // The configuration changed (Virtio 1.2, 2.5). In vhost-user: BACKEND_CONFIG_CHANGE_MSG.
  virtual void SignalConfig() = 0;
  // The driver made a ring that makes no sense, and has to reset the device (Virtio 1.2, 2.1.2). In
  // vhost-user: the error descriptor of the queue.
  virtual void QueueBroken(uint16_t index) = 0;

  // The descriptor that interrupts the driver for a queue whoever signals it, or null while there
  // is none and SignalQueue has to be called. Valid until the watch ends, if only as a duplicate.
  using TriggerWatch = std::function<void(const EventFd* trigger)>;

  // For a queue that somebody else works on, the kernel or another process, which can so interrupt
  // the guest by itself. Calls `watch` before it returns and whenever the answer changes, from any
  // thread, one call at a time; `watch` must not call back. An empty `watch` ends it: no call runs
  // or comes afterwards. REQUIRES: the queue exists.
  virtual void WatchTrigger(uint16_t /*index*/, const TriggerWatch& watch) {
    if (watch) watch(nullptr);
  }
};

}  // namespace touchstone

#endif  // TOUCHSTONE_DEVICES_VIRTIO_CORE_VIRTIO_INTERRUPT_H_
