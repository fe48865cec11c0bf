// Carries out what clients of the control socket ask of a machine.
//
// Errors in answers are crosvm's (crosvm.md 2.2, "errno conventions"); their text says more.
//
// Ownership: machine and loop are borrowed. Threads: thread-compatible, on the machine's loop.

#ifndef TOUCHSTONE_VMM_CONTROL_MACHINE_CONTROL_H_
#define TOUCHSTONE_VMM_CONTROL_MACHINE_CONTROL_H_

#include "base/event/event_loop.h"
#include "vmm/control/control.pb.h"
#include "vmm/control/control_server.h"
#include "vmm/machine/machine.h"

namespace touchstone {

class MachineControl {
 public:
  MachineControl(Machine& machine, EventLoop& loop) : machine_(machine), loop_(loop) {}

  // Answers at once, or when it is done. This outlives the loop's last turn.
  void Obey(const ControlRequest& request, ControlServer::Reply reply);

 private:
  void Suspend(bool full, ControlServer::Reply reply);
  // The vCPUs stand still, or go on already.
  void FinishSuspend(bool full, ControlServer::Reply reply);
  ControlResponse Resume(bool full);
  ControlResponse RaiseGpe(uint32_t number);
  ControlResponse MakeRealtime();

  Machine& machine_;
  EventLoop& loop_;
};

}  // namespace touchstone

#endif  // TOUCHSTONE_VMM_CONTROL_MACHINE_CONTROL_H_
