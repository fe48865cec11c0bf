#include "vmm/machine/machine_state.h"

#include "absl/strings/str_cat.h"
#include "base/status.h"
#include "vmm/machine/machine_shape.h"

namespace touchstone {
namespace {

constexpr uint32_t kVersion = 1;

}  // namespace

absl::StatusOr<MachineState> SaveMachine(Machine& machine) {
  const Machine::Parts& parts = machine.parts();
  MachineState state;
  state.set_version(kVersion);
  *state.mutable_shape() = ShapeOf(machine);
  ASSIGN_OR_RETURN(const ClockState clock, parts.vm->GetClock());
  state.set_clock_ns(clock.nanoseconds);
  return state;
}

absl::Status RestoreMachine(Machine& machine, const MachineState& state) {
  const Machine::Parts& parts = machine.parts();
  if (state.version() != kVersion) {
    return absl::InvalidArgumentError(absl::StrCat("the snapshot is of version ", state.version(),
                                                   ", not of version ", kVersion));
  }
  RETURN_IF_ERROR(CheckShape(state.shape(), ShapeOf(machine)));
  return parts.vm->SetClock({.nanoseconds = state.clock_ns()});
}

}  // namespace touchstone
