// A virtio device, whatever carries it: PCI, a vhost-user socket, a test.
//
// Each method is a message of vhost-user; one that vhost-user cannot carry does not belong here.
// Feature bits, queues and configuration mean what they mean in Virtio 1.2; everything about
// registers, status bits and interrupt vectors is the transport's.
//
//   idle --Attach--> attached --StartQueue(i)--> queue i runs
//                       ^   ^--StopQueue(i)-----------'
//     Reset, from any state, leads to idle
//
// Threads: the transport makes one call at a time, from any thread. The device works on the loop
// that it was given; it reads the configuration for the guest on the caller's thread. Calls may
// wait for a callback of the loop that is running, and for requests in flight, but for nothing that
// the guest decides about.

#ifndef TOUCHSTONE_DEVICES_VIRTIO_CORE_VIRTIO_DEVICE_H_
#define TOUCHSTONE_DEVICES_VIRTIO_CORE_VIRTIO_DEVICE_H_

#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "base/memory/guest_memory.h"
#include "devices/virtio/core/queue_layout.h"
#include "devices/virtio/core/virt_queue.h"
#include "devices/virtio/core/virtio_interrupt.h"

namespace touchstone {

class VirtioDevice {
 public:
  // The guest's side, as it was negotiated.
  struct Driver {
    uint64_t features = 0;  // A subset of features().
    GuestMemory memory;
    VirtioInterrupt* interrupt = nullptr;  // Borrowed until Reset.
  };

  // Memory of the host's that the driver may access beside its queues (Virtio 1.2, 2.10). What is
  // in it is for the device type to say.
  struct SharedMemory {
    uint8_t id = 0;
    uint64_t size = 0;  // A multiple of 4 KiB, not 0.
  };

  virtual ~VirtioDevice() = default;

  // Virtio 1.2, section 5.
  [[nodiscard]] virtual uint32_t device_id() const = 0;
  // One for each queue there is; 1 to 32768. Does not change.
  [[nodiscard]] virtual absl::Span<const uint16_t> max_queue_sizes() const = 0;
  // What is offered (virtio_features.h for the bits that belong to no device type).
  [[nodiscard]] virtual uint64_t features() const = 0;

  // Regions with different ids; most devices have none. Does not change. (GET_SHMEM_CONFIG of
  // vhost-user.)
  [[nodiscard]] virtual absl::Span<const SharedMemory> shared_memory() const { return {}; }

  // Whether all that it writes to guest memory is written through its VirtQueues, so that those who
  // make them can log it.
  [[nodiscard]] virtual bool writes_by_queues() const { return true; }

  // Accesses to the configuration, of any offset and size. `data` of a read comes filled with 0,
  // which is what the device leaves where it has nothing.
  virtual void ReadConfig(uint32_t offset, absl::Span<uint8_t> data) = 0;
  virtual void WriteConfig(uint32_t offset, absl::Span<const uint8_t> data) = 0;

  // The driver is ready. REQUIRES: idle.
  virtual absl::Status Attach(Driver driver) = 0;

  // Works on this queue from now on. REQUIRES: attached, index < max_queue_sizes().size(), the
  // queue does not run and has a kick.
  virtual absl::Status StartQueue(uint16_t index, VirtQueue queue) = 0;
  // Lets the requests in flight finish, and says where the queue is. A queue that does not run is
  // FailedPrecondition. Unavailable: not now, and it runs on.
  virtual absl::StatusOr<QueuePosition> StopQueue(uint16_t index) = 0;

  // Stops all queues and forgets the driver. Harmless when idle.
  virtual void Reset() = 0;

  // What the device knows that neither its configuration nor the rings say; no queue runs. The
  // state is the device's own, versioned.
  virtual absl::StatusOr<std::string> Save() = 0;
  // InvalidArgument for what Save of an equal device could not have returned; nothing has changed
  // then.
  virtual absl::Status Restore(absl::string_view state) = 0;
};

}  // namespace touchstone

#endif  // TOUCHSTONE_DEVICES_VIRTIO_CORE_VIRTIO_DEVICE_H_
