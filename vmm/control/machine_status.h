// A machine as one sees it who asks (`touchstone status`). Costs the guest nothing: what is told is
// counted anyway.

#ifndef TOUCHSTONE_VMM_CONTROL_MACHINE_STATUS_H_
#define TOUCHSTONE_VMM_CONTROL_MACHINE_STATUS_H_

#include "absl/time/time.h"
#include "vmm/control/machine_status.pb.h"
#include "vmm/machine/machine.h"

namespace touchstone {

// On the machine's loop. A machine with 254 vCPUs fits into kMaxControlResponse.
MachineStatus DescribeMachine(Machine& machine, absl::Duration uptime);

}  // namespace touchstone

#endif  // TOUCHSTONE_VMM_CONTROL_MACHINE_STATUS_H_
