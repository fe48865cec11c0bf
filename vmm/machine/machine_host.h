// What a machine needs from its surroundings.

#ifndef TOUCHSTONE_VMM_MACHINE_MACHINE_HOST_H_
#define TOUCHSTONE_VMM_MACHINE_MACHINE_HOST_H_

#include "absl/strings/string_view.h"
#include "base/clock.h"
#include "base/event/event_loop.h"
#include "hypervisor/hypervisor.h"
#include "vmm/jail/spawn_server.h"

namespace touchstone {

// All are borrowed and outlive the machine.
struct MachineHost {
  Hypervisor* hypervisor = nullptr;
  EventLoop* loop = nullptr;
  Clock* clock = nullptr;
  // Makes the processes of jailed devices, with DeviceHost::Program; null: this process does.
  const SpawnServer* jails = nullptr;
  // The machine goes on from a saved state (machine_state.h): what the guest's memory and registers
  // begin with comes from there.
  bool restored = false;
  // Where the host's processors are: their MSRs (msr(4)) and what the kernel says of them.
  absl::string_view msr_folder = "/dev/cpu";
  absl::string_view cpu_folder = "/sys/devices/system/cpu";
};

}  // namespace touchstone

#endif  // TOUCHSTONE_VMM_MACHINE_MACHINE_HOST_H_
