// Takes everything out of a machine that a snapshot must hold, and puts it back into another one.
//
//   machine->Suspend(...);  machine->SleepDevices();            // `suspend --full`
//   ASSIGN_OR_RETURN(MachineState state, SaveMachine(*machine));
//   ... save the guest's memory: it does not change until WakeDevices ...
//
//   host.restored = true;                                       // No kernel, no tables, no entry.
//   ASSIGN_OR_RETURN(auto machine, BuildMachine(config, host, on_end));
//   RETURN_IF_ERROR(CheckShape(state.shape(), ShapeOf(*machine)));   // machine_shape.h
//   ... the guest's memory comes back: devices find their rings there ...
//   RETURN_IF_ERROR(RestoreMachine(*machine, state));
//   machine->Start();                                           // Suspended with its devices
//   asleep: machine->WakeDevices();  machine->Resume();                 // `resume --full`
//
// Time: the guest's monotonic clocks (kvmclock, time stamp counters, APIC and ACPI timers) go on
// from where they stood, as if no time had passed; the battery clock shows the host's time, as
// ever, and its alarm goes off if it was missed. Each vCPU is told that it was paused
// (Vcpu::NotePause), so that the guest's watchdogs do not take that for a lock-up. (crosvm.md 9.2.)
//
// A state may come from anybody: whatever is in it, restoring ends in a machine that runs or in an
// error that says what is wrong.
//
// On the loop's thread. Nothing here knows of files.

#ifndef TOUCHSTONE_VMM_MACHINE_MACHINE_STATE_H_
#define TOUCHSTONE_VMM_MACHINE_MACHINE_STATE_H_

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "vmm/machine/machine.h"
#include "vmm/machine/machine_state.pb.h"

namespace touchstone {

// REQUIRES: the vCPUs stand still and the devices sleep. The machine can go on afterwards, with a
// state or with an error: FailedPrecondition when something in it cannot be saved, which the error
// names (a device whose back end keeps its state to itself), or the host's.
absl::StatusOr<MachineState> SaveMachine(Machine& machine);

// REQUIRES: the machine was built with MachineHost::restored, has the guest's memory, and was not
// started. It is suspended afterwards, with its devices asleep. InvalidArgument names what in the
// state does not fit; the machine is of no use after any error.
absl::Status RestoreMachine(Machine& machine, const MachineState& state);

}  // namespace touchstone

#endif  // TOUCHSTONE_VMM_MACHINE_MACHINE_STATE_H_
