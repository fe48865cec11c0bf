// Carries out what clients of the control socket ask of a machine.
//
// Errors in answers are crosvm's (crosvm.md 2.2, "errno conventions"); their text says more.
//
// Ownership: the machine is borrowed. Threads: thread-compatible, on the machine's loop.

#ifndef TOUCHSTONE_VMM_CONTROL_MACHINE_CONTROL_H_
#define TOUCHSTONE_VMM_CONTROL_MACHINE_CONTROL_H_

#include "vmm/control/control.pb.h"
#include "vmm/control/control_server.h"
#include "vmm/machine/machine.h"

namespace touchstone {

class MachineControl {
 public:
  explicit MachineControl(Machine& machine) : machine_(machine) {}

  // Answers at once, or when it is done.
  void Obey(const ControlRequest& request, ControlServer::Reply reply);

 private:
  Machine& machine_;
};

}  // namespace touchstone

#endif  // TOUCHSTONE_VMM_CONTROL_MACHINE_CONTROL_H_
