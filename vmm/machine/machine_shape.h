// What two machines must have in common for the state of one to fit the other.
//
// Thread-compatible.

#ifndef TOUCHSTONE_VMM_MACHINE_MACHINE_SHAPE_H_
#define TOUCHSTONE_VMM_MACHINE_MACHINE_SHAPE_H_

#include "absl/status/status.h"
#include "vmm/machine/machine.h"
#include "vmm/machine/machine_state.pb.h"

namespace touchstone {

MachineShape ShapeOf(Machine& machine);

// FailedPrecondition that names the first difference: "the snapshot has 4 vCPUs, this machine has
// 2". Names of PCI functions need not be the same.
absl::Status CheckShape(const MachineShape& saved, const MachineShape& here);

}  // namespace touchstone

#endif  // TOUCHSTONE_VMM_MACHINE_MACHINE_SHAPE_H_
