#include "vmm/control/machine_status.h"

#include <unistd.h>

#include <algorithm>
#include <cstdint>
#include <iterator>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/str_format.h"
#include "devices/pci/pci_root.h"
#include "devices/virtio/pci/virtio_pci_view.h"
#include "hypervisor/vcpu_counter.h"

namespace touchstone {
namespace {

// By VcpuExit::index().
constexpr const char* kExitNames[] = {
    "interrupted", "io",  "mmio",         "halt",  "end_of_interrupt", "shutdown",
    "bus_lock",    "msr", "system_event", "debug", "fail_entry",       "internal_error",
    "unknown"};
static_assert(std::size(kExitNames) == std::variant_size_v<VcpuExit>);

MachineStatus::VcpuState StateOf(VcpuThread::State state) {
  switch (state) {
    case VcpuThread::State::kNotStarted:
      return MachineStatus::NOT_STARTED;
    case VcpuThread::State::kRunning:
      return MachineStatus::VCPU_RUNNING;
    case VcpuThread::State::kWaiting:
      return MachineStatus::WAITING;
    case VcpuThread::State::kEnded:
      return MachineStatus::ENDED;
  }
  return MachineStatus::ENDED;
}

MachineStatus::State StateOf(Machine& machine) {
  if (machine.devices_asleep()) return MachineStatus::SUSPENDED_FULLY;
  if (machine.suspended()) return MachineStatus::SUSPENDED;
  return machine.gate().closed(PauseGate::Reason::kSleep) ? MachineStatus::SLEEPING
                                                          : MachineStatus::RUNNING;
}

// All vCPUs have the same counters, named once.
void AddVcpus(Machine& machine, MachineStatus& status) {
  for (const char* const name : kExitNames) status.add_exit_names(name);
  for (uint32_t i = 0; i < machine.vcpu_count(); ++i) {
    const VcpuThread& thread = machine.vcpu_thread(i);
    MachineStatus::Vcpu& vcpu = *status.add_vcpus();
    vcpu.set_id(i);
    vcpu.set_state(StateOf(thread.state()));
    for (const uint64_t count : thread.exit_counts()) vcpu.add_exits(count);
    const absl::StatusOr<std::vector<VcpuCounter>> counters = thread.hypervisor_counters();
    if (!counters.ok()) continue;
    if (i == 0) {
      for (const VcpuCounter& counter : *counters) status.add_counter_names(counter.name);
    }
    for (const VcpuCounter& counter : *counters) vcpu.add_counters(counter.value);
  }
}

void SetVirtio(const VirtioDevices::View& view, MachineStatus::Device& device) {
  device.set_name(view.name);
  device.set_device_id(view.virtio.device_id);
  device.set_status(view.virtio.status);
  device.set_features(view.virtio.features);
  device.set_jailed(view.jailed);
  for (const VirtioPciView::Queue& shown : view.virtio.queues) {
    MachineStatus::Queue& queue = *device.add_queues();
    queue.set_size(shown.size);
    queue.set_running(shown.running);
    if (shown.available.has_value()) queue.set_available(*shown.available);
    if (shown.used.has_value()) queue.set_used(*shown.used);
  }
}

void AddDevices(Machine& machine, MachineStatus& status) {
  const std::vector<VirtioDevices::View> views = machine.virtio().Views();
  for (const PciAddress address : machine.pci().functions()) {
    const PciFunction& function = *machine.pci().FunctionAt(address);
    MachineStatus::Device& device = *status.add_devices();
    device.set_address(
        absl::StrFormat("%02x:%02x.%x", address.bus, address.device, address.function));
    device.set_name(std::string(function.name()));
    const auto view = std::find_if(views.begin(), views.end(), [&](const VirtioDevices::View& v) {
      return v.function == &function;
    });
    if (view != views.end()) SetVirtio(*view, device);
  }
}

}  // namespace

MachineStatus DescribeMachine(Machine& machine, absl::Duration uptime) {
  MachineStatus status;
  status.set_pid(static_cast<uint32_t>(getpid()));
  status.set_state(StateOf(machine));
  status.set_uptime_us(static_cast<uint64_t>(absl::ToInt64Microseconds(uptime)));
  status.set_memory(machine.memory().total_size());
  AddVcpus(machine, status);
  AddDevices(machine, status);
  if (machine.balloon() != nullptr) status.set_balloon(machine.balloon()->actual());
  return status;
}

}  // namespace touchstone
