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

#include <functional>
#include <memory>
#include <vector>

#include "absl/status/status.h"
#include "base/memory/guest_memory.h"
#include "devices/bus/bus.h"
#include "hypervisor/vm.h"
#include "vmm/machine/cpu/hwp_msrs.h"
#include "vmm/machine/debug_hook.h"
#include "vmm/machine/file_mappings.h"
#include "vmm/machine/interrupt_router.h"
#include "vmm/machine/lifecycle.h"
#include "vmm/machine/pause_gate.h"
#include "vmm/machine/pci_devices.h"
#include "vmm/machine/platform_devices.h"
#include "vmm/machine/split_irq_chip.h"
#include "vmm/machine/vcpu_thread.h"
#include "vmm/machine/virtio_devices.h"

namespace touchstone {

class Machine {
 public:
  // What BuildMachine hands over. Members are destroyed from the last to the first.
  struct Parts {
    std::unique_ptr<Lifecycle> lifecycle;
    std::unique_ptr<PauseGate> pause;
    GuestMemory memory;
    std::vector<FileMapping> files;
    GuestMemory rom;                      // Apart: no device reaches it. Empty without --bios.
    std::unique_ptr<SplitIrqChip> split;  // Null when the hypervisor has it all.
    std::unique_ptr<Vm> vm;
    std::unique_ptr<Bus> ports;
    std::unique_ptr<Bus> mmio;
    std::unique_ptr<InterruptRouter> interrupts;
    std::unique_ptr<PlatformDevices> platform;
    std::unique_ptr<PciDevices> pci;
    std::unique_ptr<HwpMsrs> hwp;           // Null without --enable-hwp.
    std::unique_ptr<VirtioDevices> virtio;  // Lower the lines that the PCI root shares out.
    std::vector<std::unique_ptr<VcpuThread>> vcpus;
    std::vector<uint32_t> apic_ids;    // By vCPU.
    uint32_t boot_vcpu = 0;            // The one that starts first.
    std::vector<uint32_t> state_msrs;  // What Hypervisor::StateMsrs says.
  };

  explicit Machine(Parts parts);
  // Stops.
  ~Machine();

  // Starts the vCPU threads, with this prologue (vcpu_thread.h).
  void Start(const std::function<absl::Status()>& prologue = nullptr);
  // For what threads do before the guest begins (VirtioDevices::RunOnHelperThread).
  void RunOnHelperThread(std::function<void()> task) const {
    parts_.virtio->RunOnHelperThread(std::move(task));
  }
  // Brings all vCPUs out of the guest and joins their threads, resets the devices and joins theirs,
  // and flushes the outputs. Harmless when done already.
  void Stop();

  // Brings the vCPUs to a halt where they are, now or before Start. `done` is called on any thread
  // when all of them stand still, or Resume was called. Devices go on with what they are at.
  void Suspend(PauseGate::Done done);
  // Ends Suspend, and a sleep state that the guest is in.
  void Resume();
  // Since Suspend.
  [[nodiscard]] bool suspended() const { return parts_.pause->closed(PauseGate::Reason::kHost); }
  // Has the virtio devices finish what they are at, and leaves what comes from the guest or the
  // host where it is until WakeDevices. The registers of the others have no work of their own:
  // clocks go on, and input waits. REQUIRES: the vCPUs stand still.
  absl::Status SleepDevices();
  void WakeDevices();
  [[nodiscard]] bool devices_asleep() const { return devices_asleep_; }

  // --- For those who watch.
  // REQUIRES: index < vcpu_count().
  [[nodiscard]] const VcpuThread& vcpu_thread(uint32_t index) const { return *parts_.vcpus[index]; }
  [[nodiscard]] const VirtioDevices& virtio() const { return *parts_.virtio; }

  // --- For a debugger.
  // Who hears of what vCPUs stop for. REQUIRES: before Start.
  void SetDebugHook(DebugHook& hook);
  [[nodiscard]] PauseGate& gate() { return *parts_.pause; }
  [[nodiscard]] uint32_t vcpu_count() const { return static_cast<uint32_t>(parts_.vcpus.size()); }
  // REQUIRES: index < vcpu_count(), the vCPU stands still.
  [[nodiscard]] Vcpu& vcpu(uint32_t index) { return parts_.vcpus[index]->vcpu(); }

  // Gives those vCPUs real-time priority that are to have it. Errors name vCPU and call.
  absl::Status MakeRealtime();

  [[nodiscard]] Lifecycle& lifecycle() { return *parts_.lifecycle; }
  [[nodiscard]] const GuestMemory& memory() const { return parts_.memory; }
  [[nodiscard]] MsiTarget& msi() { return *parts_.interrupts; }
  [[nodiscard]] PlatformDevices& platform() { return *parts_.platform; }
  [[nodiscard]] PciRoot& pci() { return parts_.pci->root(); }
  // Null when there is none.
  [[nodiscard]] BalloonHandle* balloon() { return parts_.virtio->balloon(); }
  [[nodiscard]] const std::vector<BlockHandle*>& disks() const { return parts_.virtio->disks(); }
  // All there is, for who saves and restores it.
  [[nodiscard]] Parts& parts() { return parts_; }
  // What the vCPUs' exits go to.
  [[nodiscard]] Bus& ports() { return *parts_.ports; }
  [[nodiscard]] Bus& mmio() { return *parts_.mmio; }

 private:
  Parts parts_;
  bool devices_asleep_ = false;
};

}  // namespace touchstone

#endif  // TOUCHSTONE_VMM_MACHINE_MACHINE_H_
