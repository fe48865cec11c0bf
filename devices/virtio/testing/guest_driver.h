// A guest with a correct driver for one VirtioDevice, without a transport in between: negotiates,
// makes the queues in its own memory, starts them.
//
//   GuestDriver guest(device, {.features = kVirtioEventIndex});
//   guest.Start();
//   guest.queue(0).Chain().Readable({1, 2}).Writable(16).Send();
//   guest.Kick(0);
//   loop.RunReady();
//   EXPECT_EQ(guest.queue(0).PollUsed()->length, 16);
//
// A refusal of the device is the test's mistake and CHECKs. Ownership: the device is borrowed, and
// is reset when the guest goes. Thread-compatible.

#ifndef TOUCHSTONE_DEVICES_VIRTIO_TESTING_GUEST_DRIVER_H_
#define TOUCHSTONE_DEVICES_VIRTIO_TESTING_GUEST_DRIVER_H_

#include <cstdint>
#include <memory>
#include <vector>

#include "base/event_fd.h"
#include "base/memory/guest_memory.h"
#include "devices/virtio/core/virtio_device.h"
#include "devices/virtio/testing/driver_queue.h"
#include "devices/virtio/testing/recording_interrupt.h"

namespace touchstone {

class GuestDriver {
 public:
  struct Options {
    uint64_t features = 0;    // Wanted besides VERSION_1; what the device does not offer is left.
    uint32_t queue_size = 0;  // 0: as large as the device allows.
    uint64_t queue_memory = 1 << 20;  // For the ring and the buffers of each queue.
  };

  GuestDriver(VirtioDevice& device, Options options);
  ~GuestDriver();
  GuestDriver(const GuestDriver&) = delete;
  GuestDriver& operator=(const GuestDriver&) = delete;

  // Makes the queues anew, empty; the device does not run.
  void Prepare();
  // Attaches and starts all queues; prepares unless that was just done.
  void Start();
  void StartQueue(uint16_t index, QueuePosition position);

  [[nodiscard]] DriverQueue& queue(uint16_t index) { return *queues_[index]; }
  // Kicks if the device wants that; returns whether it did.
  bool Kick(uint16_t index);
  [[nodiscard]] const EventFd& kick(uint16_t index) const { return *kicks_[index]; }
  // Overwrites the ring of a queue.
  void Scribble(uint16_t index, uint8_t value);

  [[nodiscard]] RecordingInterrupt& interrupt() { return interrupt_; }
  [[nodiscard]] const GuestMemory& memory() const { return memory_; }
  [[nodiscard]] uint64_t features() const { return features_; }

 private:
  [[nodiscard]] GuestMemory::RegionSpec RangeOf(uint16_t index) const;

  VirtioDevice& device_;
  const Options options_;
  const uint64_t features_;
  GuestMemory memory_;
  RecordingInterrupt interrupt_;
  std::vector<std::shared_ptr<const EventFd>> kicks_;
  std::vector<std::unique_ptr<DriverQueue>> queues_;
  bool prepared_ = false;
};

}  // namespace touchstone

#endif  // TOUCHSTONE_DEVICES_VIRTIO_TESTING_GUEST_DRIVER_H_
