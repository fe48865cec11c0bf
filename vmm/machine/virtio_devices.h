// The virtio devices of the machine: makes those that the configuration asks for, and puts each
// behind a PCI function whose kicks are ioeventfds and whose interrupts are irqfds. No exit reaches
// this process on the data path.
//
// A new device is a function in virtio_devices.cc, and a line in the table there.
//
// Loops: small devices work on the machine's main loop; those that move much data get a thread of
// their own (VirtioPart::thread).
//
// Ownership: all arguments are borrowed. The functions lower their interrupt lines when this is
// destroyed: after the last access, before the PCI root. Thread-compatible; the devices inside are
// thread-safe.

#ifndef TOUCHSTONE_VMM_MACHINE_VIRTIO_DEVICES_H_
#define TOUCHSTONE_VMM_MACHINE_VIRTIO_DEVICES_H_

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/event/loop_thread.h"
#include "base/memory/guest_memory.h"
#include "devices/irq/msi_target.h"
#include "devices/pci/pci_address.h"
#include "devices/virtio/balloon/balloon_handle.h"
#include "devices/virtio/block/block_handle.h"
#include "devices/virtio/core/virtio_device.h"
#include "devices/virtio/pci/virtio_pci.h"
#include "hypervisor/vm.h"
#include "vmm/config/config.pb.h"
#include "vmm/machine/device_host.h"
#include "vmm/machine/hosted_device.h"
#include "vmm/machine/kick_events.h"
#include "vmm/machine/machine_host.h"
#include "vmm/machine/pci_devices.h"

namespace touchstone {

// What a device needs of the machine.
struct VirtioSurroundings {
  const RunConfig& config;
  const MachineHost& host;  // Its loop is the main one.
  GuestMemory memory;
  // Called once when a jailed device does not come to work, on any thread; only takes note.
  std::function<void(const absl::Status& why)> failed = {};
  // Where devices go that can be jailed. Null: nowhere, they live in this process.
  DeviceHost* device_host = nullptr;
};

// A device as the machine takes it.
struct VirtioPart {
  std::string name;  // For messages: "rng", "block /path".
  std::unique_ptr<VirtioDevice> device;
  // Where the device works, unless that is the main loop. Stopped after the device was reset.
  std::unique_ptr<LoopThread> thread = nullptr;
  // Further ones, for devices that use several.
  std::vector<std::unique_ptr<LoopThread>> more_threads = {};
  std::optional<PciAddress> address = std::nullopt;   // None takes the next free one.
  std::optional<uint32_t> boot_index = std::nullopt;  // As PlacedFunction's.
  BalloonHandle* balloon = nullptr;                   // The device, if it is one.
  BlockHandle* disk = nullptr;                        // The same of a disk.
  HostedDevice* hosted = nullptr;                     // The device, if it is in a process.
  // What works for the device on the main loop, such as a control channel. Destroyed before it.
  std::shared_ptr<void> helper = nullptr;
};

class VirtioDevices {
 public:
  // Errors name the option, and the reason.
  static absl::StatusOr<std::unique_ptr<VirtioDevices>> Create(
      const VirtioSurroundings& surroundings, Vm& vm, MsiTarget& msi);
  // Stops.
  ~VirtioDevices();

  // On the main loop; null when there is none.
  [[nodiscard]] BalloonHandle* balloon() { return balloon_; }
  // The disks of --block, in their order.
  [[nodiscard]] const std::vector<BlockHandle*>& disks() const { return disks_; }

  // Runs `task` on the thread beside the loop that jailed devices need, if there is one.
  void RunOnHelperThread(std::function<void()> task) const;

  // For the PCI root, in the order in which it gives out addresses.
  [[nodiscard]] std::vector<PlacedFunction> functions();

  // A device as it is now.
  struct View {
    std::string name;
    const PciFunction* function = nullptr;
    bool jailed = false;  // In a process of its own.
    VirtioPciView virtio;
  };
  [[nodiscard]] std::vector<View> Views() const;

  // The queues of all devices stand still from here to WakeUp. All of them or none: an error names
  // the device. The vCPUs stand still.
  absl::Status Sleep();
  void WakeUp();

  // Resets all devices, then stops their threads. The vCPUs have stopped. Harmless when done
  // already.
  void Stop();

 private:
  // Destroyed from the last member to the first.
  struct Device {
    VirtioPart part;
    std::unique_ptr<KickEvents> kicks;
    std::unique_ptr<VirtioPci> pci;
  };

  VirtioDevices() = default;
  absl::Status Add(VirtioPart part, const VirtioSurroundings& machine, Vm& vm, MsiTarget& msi);

  std::unique_ptr<DeviceHost> jails_;
  std::vector<Device> devices_;
  BalloonHandle* balloon_ = nullptr;
  std::vector<BlockHandle*> disks_;
};

}  // namespace touchstone

#endif  // TOUCHSTONE_VMM_MACHINE_VIRTIO_DEVICES_H_
