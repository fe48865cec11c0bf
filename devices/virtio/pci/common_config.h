// The common configuration of a virtio-pci function (Virtio 1.2, 4.1.4.3), and the device's life as
// its registers steer it: negotiation, queues, activation, reset.
//
//   status  0 --ACKNOWLEDGE, DRIVER--> --FEATURES_OK--> --DRIVER_OK--> the device runs
//           ^----------------------- writing 0 ---------------------------'
//
// What a register accepts:
//   - reads of any offset and size; writes of whole registers only, a quadword as one or two;
//   - size and addresses of a queue while it is not enabled, features while they are not settled;
//   - values that mean something: sizes from 1 to the largest, bits that were offered.
// Anything else is ignored. A queue that cannot work makes the device ask for a reset when the
// driver is ready.
//
// Ownership: all arguments are borrowed. Threads: thread-compatible.

#ifndef TOUCHSTONE_DEVICES_VIRTIO_PCI_COMMON_CONFIG_H_
#define TOUCHSTONE_DEVICES_VIRTIO_PCI_COMMON_CONFIG_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "absl/status/status.h"
#include "absl/types/span.h"
#include "base/event_fd.h"
#include "base/memory/guest_memory.h"
#include "devices/virtio/core/queue_layout.h"
#include "devices/virtio/core/virtio_device.h"
#include "devices/virtio/pci/pci_interrupt.h"
#include "devices/virtio/pci/virtio_pci_view.h"

namespace touchstone {

class VirtioPciState;  // virtio_pci_state.pb.h
class VirtioQueueState;

class CommonConfig {
 public:
  using Kicks = std::vector<std::shared_ptr<const EventFd>>;

  // `kicks` has one for each queue of the device; `transport_features` are offered besides the
  // device's, which never hears of them.
  CommonConfig(VirtioDevice& device, GuestMemory memory, PciInterrupt& interrupt,
               const Kicks& kicks, uint64_t transport_features);

  // Any offset and size; behind the end there is nothing, and `data` is left as it is.
  void Read(uint64_t offset, absl::Span<uint8_t> data) const;
  void Write(uint64_t offset, absl::Span<const uint8_t> data);

  [[nodiscard]] uint8_t status() const;
  // Whether the device works on this queue. REQUIRES: it exists.
  [[nodiscard]] bool runs(uint16_t queue) const { return queues_[queue].running; }

  [[nodiscard]] VirtioPciView View() const;

  // What writing 0 to the status does.
  void Reset();

  // See VirtioPci. runs() says the same meanwhile.
  absl::Status Sleep();
  void WakeUp();

  // The registers, the queues and the device. FailedPrecondition while a queue runs; the device's
  // errors.
  absl::Status Save(VirtioPciState& state);
  // Leaves the queues asleep that the device worked on. InvalidArgument, or the device's errors.
  // REQUIRES: as after power-on.
  absl::Status Restore(const VirtioPciState& state);

 private:
  struct Queue {
    QueueLayout layout;
    bool enabled = false;
    bool running = false;  // In the device.
    // Where it goes on, while it sleeps.
    std::optional<QueuePosition> asleep = std::nullopt;
  };

  [[nodiscard]] uint64_t OfferedFeatures() const;
  [[nodiscard]] uint16_t queue_count() const { return static_cast<uint16_t>(queues_.size()); }
  // The queue that is selected, or null.
  [[nodiscard]] const Queue* Selected() const;
  [[nodiscard]] Queue* Selected();
  [[nodiscard]] uint64_t SelectedHalf(uint64_t features, uint32_t select) const;

  void WriteDword(uint32_t offset, uint32_t value);
  void WriteWord(uint32_t offset, uint16_t value);
  void WriteDriverFeature(uint32_t value);
  void WriteStatus(uint8_t value);
  void WriteQueueAddress(uint32_t offset, uint32_t value);
  void EnableQueue();
  void ResetQueue();

  void Activate();
  absl::Status AttachDevice();
  absl::Status StartDevice();
  absl::Status StartQueue(uint16_t index, const QueuePosition& position = {});
  void ClearQueue(uint16_t index);
  absl::Status RestoreQueue(uint16_t index, const VirtioQueueState& saved);
  [[nodiscard]] VirtQueue::Config ConfigOf(uint16_t index, const QueuePosition& position) const;

  VirtioDevice& device_;
  const GuestMemory memory_;
  PciInterrupt& interrupt_;
  const Kicks& kicks_;
  const uint64_t transport_features_;

  uint32_t device_feature_select_ = 0;
  uint32_t driver_feature_select_ = 0;
  uint64_t driver_features_ = 0;
  uint8_t status_ = 0;  // Without NEEDS_RESET, which is the interrupt's.
  uint16_t queue_select_ = 0;
  std::vector<Queue> queues_;
};

}  // namespace touchstone

#endif  // TOUCHSTONE_DEVICES_VIRTIO_PCI_COMMON_CONFIG_H_
