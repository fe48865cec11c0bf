// The rings of a back end, and the device behind them: what SET_VRING_* and the memory say becomes
// calls of VirtioDevice.
//
//   stopped --KICK (and ENABLE 1)--> running --GET_VRING_BASE, ENABLE 0--> stopped, where it was
//
// A ring runs while it has a size, addresses and a kick descriptor, there is memory, and it is
// enabled (always, where protocol features were not acknowledged). vhost-user lets a ring start
// with the first kick; it starts with the descriptor, since a kick may be older. A ring that is
// disabled leaves its requests where they are. Memory that changes under running rings stops and
// restarts them around it; the device keeps its state. Logging that begins or ends (vhost-user,
// "Migration") restarts the rings alone: devices write through VirtQueues.
//
// Errors: kAborted when the device or its driver is at fault, after which the front end may go on
// (the ring's error descriptor is signalled); all others are mistakes of the front end's.
//
// Ownership: what the constructor takes is borrowed. Thread-compatible.

#ifndef TOUCHSTONE_DEVICES_VIRTIO_VHOST_USER_BACKEND_RINGS_H_
#define TOUCHSTONE_DEVICES_VIRTIO_VHOST_USER_BACKEND_RINGS_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "base/event_fd.h"
#include "base/memory/dirty_log.h"
#include "base/memory/guest_memory.h"
#include "devices/virtio/core/virtio_device.h"
#include "devices/virtio/core/virtio_interrupt.h"
#include "devices/virtio/vhost_user/inflight_region.h"
#include "devices/virtio/vhost_user/memory_table.h"
#include "devices/virtio/vhost_user/message.h"

namespace touchstone {

class VhostUserBackendRings {
 public:
  VhostUserBackendRings(VirtioDevice& device, const VhostUserMemoryTable& table,
                        VirtioInterrupt& interrupt);
  // Resets the device.
  ~VhostUserBackendRings();
  VhostUserBackendRings(const VhostUserBackendRings&) = delete;
  VhostUserBackendRings& operator=(const VhostUserBackendRings&) = delete;

  // What may be negotiated: the device's, indirect descriptors, and vhost-user's own.
  [[nodiscard]] uint64_t features() const;
  // Others than before reset the device; no ring runs, unless it is logging that changes.
  absl::Status SetFeatures(uint64_t features);
  // The table is not what it was.
  absl::Status MemoryChanged();

  // Where dirty pages are logged, while LOG_ALL is negotiated.
  absl::Status SetLog(std::shared_ptr<const DirtyLog> log);
  // What is signalled when the log has changed; null for nothing.
  absl::Status SetLogEvent(std::shared_ptr<const EventFd> event);

  // What is in flight is kept there, from the next start of a ring on; none runs.
  absl::Status SetInflight(VhostUserInflightRegion region);
  [[nodiscard]] bool packed() const;

  // --- Messages of these names; the ring does not run. Addresses of one that does are those that
  // it has, but for how it is logged.
  absl::Status SetSize(const VhostUserVringState& state);
  absl::Status SetAddress(const VhostUserVringAddress& address);
  absl::Status SetBase(const VhostUserVringState& state);
  // --- At any time.
  absl::StatusOr<VhostUserVringState> GetBase(const VhostUserVringState& state);
  absl::Status SetKick(uint16_t index, std::optional<EventFd> kick);
  absl::Status Enable(const VhostUserVringState& state);
  // As after connecting, but for features, memory and log.
  void Reset();

  // InvalidArgument when there is no such ring.
  [[nodiscard]] absl::Status CheckIndex(uint64_t index) const;
  [[nodiscard]] bool any_running() const;

 private:
  struct Ring {
    uint32_t size = 0;
    std::optional<VhostUserVringAddress> address;
    uint32_t base = 0;  // As in SET_VRING_BASE.
    std::shared_ptr<const EventFd> kick;
    bool enabled = false;
    bool running = false;
  };

  // Starts or stops the ring, as it should be.
  absl::Status Update(uint16_t index);
  absl::Status Start(uint16_t index);
  absl::Status Stop(uint16_t index);
  // The device knows features and memory.
  absl::Status Attach();
  // The same, with other memory than before.
  absl::Status AttachAnew();
  // Rings that run do it in another way from now on.
  absl::Status Restart();
  [[nodiscard]] bool logging() const {
    return log_ != nullptr && (features_ & kVhostUserLogAll) != 0;
  }
  // The memory for a queue, and for its device area.
  [[nodiscard]] GuestMemory LoggedMemory() const;
  [[nodiscard]] GuestMemory LoggedDeviceArea(const Ring& ring, GuestAddress at) const;
  [[nodiscard]] absl::StatusOr<QueueLayout> LayoutOf(const Ring& ring) const;
  [[nodiscard]] absl::Status CheckStopped(uint64_t index) const;

  VirtioDevice& device_;
  VirtioInterrupt& interrupt_;
  std::vector<Ring> rings_;
  uint64_t features_ = 0;
  const VhostUserMemoryTable& table_;
  std::shared_ptr<const DirtyLog> log_;
  std::shared_ptr<const EventFd> log_event_;
  std::optional<VhostUserInflightRegion> inflight_;
  bool attached_ = false;
  bool stale_ = false;  // Attached with memory that is not the table's any more.
};

}  // namespace touchstone

#endif  // TOUCHSTONE_DEVICES_VIRTIO_VHOST_USER_BACKEND_RINGS_H_
