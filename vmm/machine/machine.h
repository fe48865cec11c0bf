// A whole virtual machine: memory, hypervisor objects, buses, devices and vCPU threads, in the
// order they are made.
//
//   ASSIGN_OR_RETURN(std::unique_ptr<Machine> machine, BuildMachine(config, host));     //
//   build_machine.h machine->Start(); loop.Run();                          // until host.on_end
//   stops it machine->Stop(); EndOfRun reason = *machine->lifecycle().end();
//
// Thread-compatible: built, started, stopped and destroyed on the loop's thread. A machine runs
// once.

#ifndef TOUCHSTONE_VMM_MACHINE_MACHINE_H_
#define TOUCHSTONE_VMM_MACHINE_MACHINE_H_

#include <memory>
#include <vector>

#include "base/memory/guest_memory.h"
#include "devices/bus/bus.h"
#include "hypervisor/vm.h"
#include "vmm/machine/file_mappings.h"
#include "vmm/machine/interrupt_router.h"
#include "vmm/machine/lifecycle.h"
#include "vmm/machine/pci_devices.h"
#include "vmm/machine/platform_devices.h"
#include "vmm/machine/vcpu_thread.h"
#include "vmm/machine/virtio_devices.h"

namespace touchstone {

class Machine {
 public:
  // What BuildMachine hands over. Members are destroyed from the last to the first.
  struct Parts {
    std::unique_ptr<Lifecycle> lifecycle;
    GuestMemory memory;
    std::vector<FileMapping> files;
    GuestMemory rom;  // Apart: no device reaches it. Empty without --bios.
    std::unique_ptr<Vm> vm;
    std::unique_ptr<Bus> ports;
    std::unique_ptr<Bus> mmio;
    std::unique_ptr<InterruptRouter> interrupts;
    std::unique_ptr<PlatformDevices> platform;
    std::unique_ptr<PciDevices> pci;
    std::unique_ptr<VirtioDevices> virtio;  // Lower the lines that the PCI root shares out.
    std::vector<std::unique_ptr<VcpuThread>> vcpus;
  };

  explicit Machine(Parts parts);
  // Stops.
  ~Machine();

  // Starts the vCPU threads.
  void Start();
  // Brings all vCPUs out of the guest and joins their threads, resets the devices and joins theirs,
  // and flushes the outputs. Harmless when done already.
  void Stop();

  [[nodiscard]] Lifecycle& lifecycle() { return *parts_.lifecycle; }
  [[nodiscard]] const GuestMemory& memory() const { return parts_.memory; }
  [[nodiscard]] MsiTarget& msi() { return *parts_.interrupts; }
  [[nodiscard]] PlatformDevices& platform() { return *parts_.platform; }
  [[nodiscard]] PciRoot& pci() { return parts_.pci->root(); }
  // What the vCPUs' exits go to.
  [[nodiscard]] Bus& ports() { return *parts_.ports; }
  [[nodiscard]] Bus& mmio() { return *parts_.mmio; }

 private:
  Parts parts_;
};

}  // namespace touchstone

#endif  // TOUCHSTONE_VMM_MACHINE_MACHINE_H_
