// A guest with a correct driver for one VirtioDevice, behind any host: negotiates, makes the queues
// in guest memory, starts them.
//
//   GuestDriver guest(device, {.features = kVirtioEventIndex});
//   guest.Start();
//   guest.queue(0).Chain().Readable({1, 2}).Writable(16).Send();
//   guest.Kick(0);
//   loop.RunReady();
//   EXPECT_EQ(guest.queue(0).PollUsed()->length, 16);
//
// Given a device instead of a host, the guest has a DirectHost of its own.
//
// A refusal of the device is the test's mistake and CHECKs. Ownership: the device or host is
// borrowed; the device is reset when the guest goes. Thread-compatible.

#ifndef TOUCHSTONE_DEVICES_VIRTIO_TESTING_GUEST_DRIVER_H_
#define TOUCHSTONE_DEVICES_VIRTIO_TESTING_GUEST_DRIVER_H_

#include <cstdint>
#include <memory>
#include <vector>

#include "base/event_fd.h"
#include "base/memory/guest_memory.h"
#include "devices/virtio/core/queue_layout.h"
#include "devices/virtio/core/virtio_device.h"
#include "devices/virtio/testing/direct_host.h"
#include "devices/virtio/testing/driver_queue.h"
#include "devices/virtio/testing/recording_interrupt.h"
#include "devices/virtio/testing/virtio_host.h"

namespace touchstone {

class GuestDriver {
 public:
  static constexpr uint64_t kQueueMemory = 1 << 20;

  struct Options {
    uint64_t features = 0;    // Wanted besides VERSION_1; what the device does not offer is left.
    uint32_t queue_size = 0;  // At most; 0: as large as the device allows.
    uint64_t queue_memory = kQueueMemory;  // For the ring and the buffers of each queue.
  };

  GuestDriver(VirtioDevice& device, Options options);
  // REQUIRES: host.memory() is MemoryFor the host's queues, or larger.
  GuestDriver(VirtioHost& host, Options options);
  ~GuestDriver();
  GuestDriver(const GuestDriver&) = delete;
  GuestDriver& operator=(const GuestDriver&) = delete;

  // Memory for so many queues.
  static GuestMemory MemoryFor(size_t queues, uint64_t queue_memory = kQueueMemory,
                               GuestMemory::Backing backing = GuestMemory::Backing::kAnonymous);

  // Makes the queues anew, empty; the device does not run.
  void Prepare();
  // Negotiates and starts all queues; prepares unless that was just done.
  void Start();
  void StartQueue(uint16_t index, QueuePosition position);
  // Stops a queue and starts it again where it was, or anew and empty where the host does not keep
  // positions.
  void RestartQueue(uint16_t index);
  // Everything starts over: reset, then Start.
  void Restart();

  [[nodiscard]] DriverQueue& queue(uint16_t index) { return *queues_[index]; }
  // Kicks if the device wants that; returns whether it did.
  bool Kick(uint16_t index);
  [[nodiscard]] const EventFd& kick(uint16_t index) const { return host_.kick(index); }
  // Overwrites the ring of a queue.
  void Scribble(uint16_t index, uint8_t value);

  [[nodiscard]] RecordingInterrupt& interrupt() { return host_.interrupt(); }
  [[nodiscard]] const GuestMemory& memory() const { return host_.memory(); }
  [[nodiscard]] uint64_t features() const { return features_; }
  // The memory of a queue; the ring is at its start.
  [[nodiscard]] GuestMemory::RegionSpec RangeOf(uint16_t index) const;

 private:
  void PrepareQueue(uint16_t index);

  std::unique_ptr<DirectHost> own_host_;
  VirtioHost& host_;
  const Options options_;
  const uint64_t features_;
  std::vector<std::unique_ptr<DriverQueue>> queues_;
  bool prepared_ = false;
};

}  // namespace touchstone

#endif  // TOUCHSTONE_DEVICES_VIRTIO_TESTING_GUEST_DRIVER_H_
