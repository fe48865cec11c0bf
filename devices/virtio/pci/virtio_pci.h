// Virtio over PCI, modern only, for any VirtioDevice (Virtio 1.2, 4.1; layout:
// virtio_pci_registers.h).
//
//   ASSIGN_OR_RETURN(std::unique_ptr<VirtioPci> rng,
//                    VirtioPci::Create(device, {.name = "rng", .memory = memory, .msi = &msi}));
//   RETURN_IF_ERROR(root.Add(*rng).status());
//
// A guest's kick is a write to its queue's notify point. The machine makes an ioeventfd of each
// that `on_kick_addresses` tells of; a write that arrives here all the same signals the same
// descriptor.
//
// Ownership: the device and what Options point to are borrowed, and outlive this; the device is
// reset when this goes. Threads: thread-safe. The device is called under this object's lock, and
// may signal interrupts from any thread at any moment.

#ifndef TOUCHSTONE_DEVICES_VIRTIO_PCI_VIRTIO_PCI_H_
#define TOUCHSTONE_DEVICES_VIRTIO_PCI_VIRTIO_PCI_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "base/event_fd.h"
#include "base/memory/guest_memory.h"
#include "base/mutex.h"
#include "devices/bus/bus_device.h"
#include "devices/irq/msi_target.h"
#include "devices/pci/config_space.h"
#include "devices/pci/msix.h"
#include "devices/pci/pci_function.h"
#include "devices/virtio/core/virtio_device.h"
#include "devices/virtio/pci/common_config.h"
#include "devices/virtio/pci/pci_interrupt.h"
#include "devices/virtio/pci/shared_memory_bar.h"
#include "devices/virtio/pci/virtio_pci_view.h"

namespace touchstone {

class VirtioPci final : public PciFunction, public BusDevice {
 public:
  // Where a write of anything, of any width, is a kick, and what it signals.
  struct KickAddress {
    uint64_t address = 0;
    const EventFd* event = nullptr;  // Lives as long as the VirtioPci.

    friend bool operator==(const KickAddress&, const KickAddress&) = default;
  };

  struct Options {
    std::string name;
    GuestMemory memory;
    MsiTarget* msi = nullptr;
    bool intx = true;
    // Offers VIRTIO_F_ACCESS_PLATFORM: the guest uses its own DMA interface for the device, and so
    // its bounce buffers. Addresses are guest-physical all the same; a guest that does not take the
    // feature works as well (Virtio 1.2, 6.1).
    bool access_platform = false;
    // The notify points of the queues that run, while BAR 0 is decoded: all there are, sorted,
    // whenever they changed. Registers before the driver is ready, and what firmware does with the
    // BAR, cost no call. Called under this object's lock; must not call back.
    std::function<void(absl::Span<const KickAddress>)> on_kick_addresses;
    // Where the BAR with the device's shared memory is decoded now, or that it is not: the machine
    // maps the regions there. The root's lock is held; must not call back.
    std::function<void(std::optional<uint64_t>)> on_shared_memory_moved;
  };

  // Writing anything at `offset` of BAR 0 signals `event`.
  struct NotifyPoint {
    uint32_t offset = 0;
    const EventFd* event = nullptr;
  };

  // ResourceExhausted when the device has more queues or shared memory than the layout has room
  // for, or the host no more descriptors; InvalidArgument for shared memory that cannot be.
  static absl::StatusOr<std::unique_ptr<VirtioPci>> Create(VirtioDevice& device, Options options);
  ~VirtioPci() override;

  // One for each queue; valid as long as this.
  [[nodiscard]] std::vector<NotifyPoint> notify_points() const;

  // The device's shared memory, by offsets in its BAR.
  [[nodiscard]] absl::Span<const SharedMemoryBar::Region> shared_memory() const {
    return shared_memory_.regions();
  }

  [[nodiscard]] VirtioPciView View() const;

  // Resets the device, as the driver can: no queue runs afterwards.
  void Reset();

  // Stops the queues that run, once what is in flight is done, and has them go on where they were.
  // Of a device that asks for a reset, those that cannot be stopped are left as they are. The
  // driver sees nothing of it but the time. In between the guest accesses no register. An error is
  // the device's; all queues run then. Harmless when asleep, or awake, already.
  absl::Status Sleep();
  void WakeUp();

  // --- PciFunction.
  [[nodiscard]] absl::string_view name() const override { return options_.name; }
  void ReadConfig(uint32_t offset, absl::Span<uint8_t> data) override;
  void WriteConfig(uint32_t offset, absl::Span<const uint8_t> data) override;
  [[nodiscard]] std::vector<PciFunctionBar> bars() override;
  void BarMoved(int index, std::optional<uint64_t> address) override;
  // FailedPrecondition unless it sleeps.
  [[nodiscard]] absl::StatusOr<PciFunctionState> Save() override;
  // It sleeps afterwards. The queues are found in the guest's memory.
  absl::Status Restore(const PciFunctionState& state) override;
  [[nodiscard]] bool wants_intx() const override { return options_.intx; }
  void ConnectIntx(const PciIntx& intx) override;

  // --- BAR 0.
  void Read(uint64_t offset, absl::Span<uint8_t> data) override;
  void Write(uint64_t offset, absl::Span<const uint8_t> data) override;

 private:
  VirtioPci(VirtioDevice& device, Options options, CommonConfig::Kicks kicks,
            SharedMemoryBar shared_memory);
  absl::Status AddCapabilities();
  absl::StatusOr<uint8_t> AddVirtioCapability(uint8_t type, uint32_t offset, uint32_t length,
                                              absl::Span<const uint8_t> more);
  // What the guest wants to access through the PCI configuration access capability, if it makes
  // sense.
  struct Window {
    uint32_t offset = 0;
    uint32_t length = 0;
  };
  [[nodiscard]] std::optional<Window> PciConfigWindow(uint32_t offset) const;
  // Tells the interrupts what the configuration space says.
  void FollowConfig();
  void UpdateKickAddresses() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  VirtioDevice& device_;
  const Options options_;
  const CommonConfig::Kicks kicks_;
  SharedMemoryBar shared_memory_;
  Msix msix_;
  PciInterrupt interrupt_;

  // The root serialises what uses these.
  ConfigSpace config_;
  uint32_t window_capability_ = 0;

  mutable Mutex mutex_;
  CommonConfig common_ ABSL_GUARDED_BY(mutex_);
  std::optional<uint64_t> bar_address_ ABSL_GUARDED_BY(mutex_);
  std::vector<KickAddress> kick_addresses_ ABSL_GUARDED_BY(mutex_);  // As last told.
};

}  // namespace touchstone

#endif  // TOUCHSTONE_DEVICES_VIRTIO_PCI_VIRTIO_PCI_H_
