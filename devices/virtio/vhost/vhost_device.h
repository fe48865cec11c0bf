// The base of devices whose rings the host's kernel works on (linux/vhost.h): negotiation, guest
// memory, rings, kicks and interrupts. A device type adds its configuration and says how its queues
// are connected.
//
//   class VhostNet final : public VhostDevice {
//     absl::Status Connect(uint16_t queue) override { ... VHOST_NET_SET_BACKEND ... }
//     void Disconnect(uint16_t queue) override { ... the same with -1 ... }
//   };
//
//   driver --kick eventfd--> kernel           kernel --trigger of the transport--> driver
//                                             kernel --call eventfd--> loop --> VirtioInterrupt
//
// Kicks never come here, and interrupts only while the transport has no trigger for the queue.
// Queues from Traits.kernel_queues on are kept, so that the driver sees them run, and nobody works
// on them. Rings are split: the kernel knows no packed ones.
//
// Ownership: the loop is borrowed; the rest is owned. Threads: as VirtioDevice; Connect and
// Disconnect are called on StartQueue's and StopQueue's thread.

#ifndef TOUCHSTONE_DEVICES_VIRTIO_VHOST_VHOST_DEVICE_H_
#define TOUCHSTONE_DEVICES_VIRTIO_VHOST_VHOST_DEVICE_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "base/event/event_loop.h"
#include "base/event_fd.h"
#include "devices/virtio/core/virt_queue.h"
#include "devices/virtio/core/virtio_device.h"
#include "devices/virtio/vhost/vhost_control.h"

namespace touchstone {

class VhostDevice : public VirtioDevice {
 public:
  struct Traits {
    uint32_t device_id = 0;
    std::vector<uint16_t> queue_sizes;
    uint16_t kernel_queues = 0;  // The kernel works on the first so many.
    // Bits of the kernel that are offered, besides VERSION_1 and EVENT_IDX, when it has them.
    uint64_t kernel_features = 0;
    // Offered whatever the kernel says, and not told to it: bits about the configuration.
    uint64_t own_features = 0;
    // Told to the kernel whatever the driver says.
    uint64_t forced_features = 0;
  };

  // The kernel device belongs to this process from now on; returns its feature bits. Once, before
  // the constructor.
  static absl::StatusOr<uint64_t> Claim(VhostControl& control);

  ~VhostDevice() override;

  [[nodiscard]] uint32_t device_id() const final { return traits_.device_id; }
  [[nodiscard]] absl::Span<const uint16_t> max_queue_sizes() const final {
    return traits_.queue_sizes;
  }
  [[nodiscard]] uint64_t features() const final { return features_; }
  [[nodiscard]] bool writes_by_queues() const final { return false; }

  // Without a configuration, unless overridden.
  void ReadConfig(uint32_t offset, absl::Span<uint8_t> data) override;
  void WriteConfig(uint32_t offset, absl::Span<const uint8_t> data) override;

  absl::Status Attach(Driver driver) final;
  absl::Status StartQueue(uint16_t index, VirtQueue queue) final;
  absl::StatusOr<QueuePosition> StopQueue(uint16_t index) final;
  void Reset() final;

  // FailedPrecondition and InvalidArgument, unless overridden: what the kernel has of a device
  // cannot be had.
  absl::StatusOr<std::string> Save() override;
  absl::Status Restore(absl::string_view state) override;

 protected:
  // `available` is what Claim returned.
  VhostDevice(Traits traits, uint64_t available, std::unique_ptr<VhostControl> control,
              EventLoop& loop);

  // The kernel knows all about this queue; lets it begin. Devices that begin with all queues at
  // once do so with the last.
  virtual absl::Status Connect(uint16_t queue) = 0;
  // The kernel does not touch the queue any more when this returns. Also called when Connect
  // failed, or was not reached.
  virtual void Disconnect(uint16_t queue) = 0;

  // A queue that is not the kernel's has started; it is the device's until StopQueue.
  virtual void OwnQueueStarted(uint16_t index, VirtQueue& queue) {
    static_cast<void>(index);
    static_cast<void>(queue);
  }

  [[nodiscard]] VhostControl& control() { return *control_; }
  // Whether StartQueue has told the kernel of this queue.
  [[nodiscard]] bool prepared(uint16_t queue) const { return running_[queue].prepared; }
  [[nodiscard]] const Driver& driver() const { return driver_; }

 private:
  struct Running {
    std::optional<VirtQueue> queue;  // Keeps memory and kick.
    bool prepared = false;
    std::optional<EventFd> call;
    std::optional<EventFd> error;
    Watch call_watch;
    Watch error_watch;
  };

  absl::Status SetMemory(const GuestMemory& memory);
  absl::Status Prepare(uint16_t index, Running& running);
  absl::Status SetRing(uint16_t index, const VirtQueue& queue);
  absl::Status SetFile(uint16_t index, unsigned long request, const char* name, int fd);
  // Which descriptor the kernel signals: `trigger`, or our own for null.
  absl::Status SetCall(uint16_t index, const EventFd* trigger);
  void Called(uint16_t index);
  void Failed(uint16_t index);

  const Traits traits_;
  const std::unique_ptr<VhostControl> control_;
  EventLoop& loop_;
  const uint64_t features_;
  bool attached_ = false;
  Driver driver_;
  std::vector<Running> running_;
};

}  // namespace touchstone

#endif  // TOUCHSTONE_DEVICES_VIRTIO_VHOST_VHOST_DEVICE_H_
