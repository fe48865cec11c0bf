// How a driver reaches a device: directly (DirectHost) or by the registers of a PCI function
// (PciHost). What is written against this proves a device behind each of them.
//
//   CHECK(host.Negotiate(features));
//   CHECK(host.SetUpQueue(0, layout, {}));
//   CHECK(host.DriverReady());
//   host.Kick(0);                       // The device works when its loop turns.
//
// A refusal is an answer and not an error, so that hostile drivers are written against this too.
// Thread-compatible.

#ifndef TOUCHSTONE_DEVICES_VIRTIO_TESTING_VIRTIO_HOST_H_
#define TOUCHSTONE_DEVICES_VIRTIO_TESTING_VIRTIO_HOST_H_

#include <cstdint>
#include <optional>

#include "absl/types/span.h"
#include "base/event_fd.h"
#include "base/memory/guest_memory.h"
#include "devices/virtio/core/queue_layout.h"
#include "devices/virtio/testing/recording_interrupt.h"

namespace touchstone {

class VirtioHost {
 public:
  virtual ~VirtioHost() = default;

  // What is offered, by the device and the transport.
  [[nodiscard]] virtual uint64_t features() = 0;
  // One for each queue.
  [[nodiscard]] virtual absl::Span<const uint16_t> max_queue_sizes() const = 0;
  [[nodiscard]] virtual const GuestMemory& memory() const = 0;

  // Any offset and size. A read overwrites all of `data`, with 0 where there is nothing.
  virtual void ReadConfig(uint32_t offset, absl::Span<uint8_t> data) = 0;
  virtual void WriteConfig(uint32_t offset, absl::Span<const uint8_t> data) = 0;

  // True when these features are settled. REQUIRES: fresh or reset.
  virtual bool Negotiate(uint64_t features) = 0;
  // Gives the device a queue; it works on it once the driver is ready. False when it is seen to be
  // refused. REQUIRES: negotiated; the queue is not set up.
  virtual bool SetUpQueue(uint16_t index, const QueueLayout& layout,
                          const QueuePosition& position) = 0;
  // True when the device runs. REQUIRES: negotiated.
  virtual bool DriverReady() = 0;
  // REQUIRES: the queue exists.
  virtual void Kick(uint16_t index) = 0;
  // What a kick signals, whoever does it.
  [[nodiscard]] virtual const EventFd& kick(uint16_t index) const = 0;

  // Takes a queue away that the device works on. Returns where it is to go on (a fresh position
  // where keeps_positions says no), or nothing when it is refused.
  virtual std::optional<QueuePosition> StopQueue(uint16_t index) = 0;
  // False when a queue that was stopped starts over, as after a queue reset (Virtio 1.2, 2.6.1).
  [[nodiscard]] virtual bool keeps_positions() const = 0;
  // As after power-on. Harmless at any time.
  virtual void Reset() = 0;

  // What the driver was told until now.
  virtual RecordingInterrupt& interrupt() = 0;
  // The device asked for a reset since the last one.
  [[nodiscard]] virtual bool needs_reset() = 0;
};

}  // namespace touchstone

#endif  // TOUCHSTONE_DEVICES_VIRTIO_TESTING_VIRTIO_HOST_H_
