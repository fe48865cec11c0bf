#include "vmm/machine/machine_state.h"

#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/status.h"
#include "vmm/machine/machine_shape.h"
#include "vmm/machine/vcpu_state.h"

namespace touchstone {
namespace {

constexpr uint32_t kVersion = 1;

std::vector<uint8_t> BytesOf(const std::string& bytes) { return {bytes.begin(), bytes.end()}; }

std::string StringOf(const std::vector<uint8_t>& bytes) { return {bytes.begin(), bytes.end()}; }

absl::Status SaveIrqChips(const Machine::Parts& parts, IrqChipsSaved& saved) {
  if (parts.split != nullptr) {
    parts.split->Save(*saved.mutable_split());
    return absl::OkStatus();
  }
  ASSIGN_OR_RETURN(const IrqChipState chips, parts.vm->GetIrqChip());
  KernelIrqChipSaved& kernel = *saved.mutable_kernel();
  kernel.set_pic_primary(StringOf(chips.pic_primary));
  kernel.set_pic_secondary(StringOf(chips.pic_secondary));
  kernel.set_ioapic(StringOf(chips.ioapic));
  kernel.set_pit(StringOf(chips.pit));
  return absl::OkStatus();
}

absl::Status RestoreIrqChips(const IrqChipsSaved& saved, const Machine::Parts& parts) {
  if (parts.split != nullptr) return parts.split->Restore(saved.split());
  return parts.vm->SetIrqChip({.pic_primary = BytesOf(saved.kernel().pic_primary()),
                               .pic_secondary = BytesOf(saved.kernel().pic_secondary()),
                               .ioapic = BytesOf(saved.kernel().ioapic()),
                               .pit = BytesOf(saved.kernel().pit())});
}

}  // namespace

absl::StatusOr<MachineState> SaveMachine(Machine& machine) {
  const Machine::Parts& parts = machine.parts();
  if (parts.hwp != nullptr) {
    return absl::FailedPreconditionError(
        "--enable-hwp: what the guest asked of the host's processors cannot be saved");
  }
  MachineState state;
  state.set_version(kVersion);
  *state.mutable_shape() = ShapeOf(machine);
  // Devices first: one that refuses, refuses before anything was touched.
  RETURN_IF_ERROR(parts.pci->Save(*state.mutable_pci()));
  parts.platform->Save(*state.mutable_platform());
  RETURN_IF_ERROR(Annotate(parts.interrupts->Settle(), "interrupts on their way"));
  for (size_t i = 0; i < parts.vcpus.size(); ++i) {
    absl::StatusOr<VcpuState> vcpu = SaveVcpu(parts.vcpus[i]->vcpu(), parts.state_msrs);
    if (!vcpu.ok()) return Annotate(vcpu.status(), absl::StrCat("vCPU ", i));
    *state.add_vcpus() = *std::move(vcpu);
  }
  RETURN_IF_ERROR(
      Annotate(SaveIrqChips(parts, *state.mutable_irq_chips()), "interrupt controllers"));
  ASSIGN_OR_RETURN(const ClockState clock, parts.vm->GetClock());
  state.set_clock_ns(clock.nanoseconds);
  return state;
}

// The vCPUs first: what a device signals while it is restored arrives in a local APIC. The
// controllers, which must find the levels of the devices' lines, after these.
absl::Status RestoreMachine(Machine& machine, const MachineState& state) {
  const Machine::Parts& parts = machine.parts();
  if (state.version() != kVersion) {
    return absl::InvalidArgumentError(absl::StrCat("the snapshot is of version ", state.version(),
                                                   ", not of version ", kVersion));
  }
  RETURN_IF_ERROR(CheckShape(state.shape(), ShapeOf(machine)));
  if (static_cast<size_t>(state.vcpus_size()) != parts.vcpus.size()) {
    return absl::InvalidArgumentError(
        absl::StrCat(state.vcpus_size(), " states for ", parts.vcpus.size(), " vCPUs"));
  }
  machine.Suspend(nullptr);
  for (int i = 0; i < state.vcpus_size(); ++i) {
    RETURN_IF_ERROR(
        Annotate(RestoreVcpu(state.vcpus(i), parts.state_msrs,
                             i == 0 ? VcpuRank::kFirst : VcpuRank::kLater, parts.vcpus[i]->vcpu()),
                 absl::StrCat("vCPU ", i)));
  }
  RETURN_IF_ERROR(parts.pci->Restore(state.pci()));
  RETURN_IF_ERROR(parts.platform->Restore(state.platform()));
  RETURN_IF_ERROR(Annotate(RestoreIrqChips(state.irq_chips(), parts), "interrupt controllers"));
  RETURN_IF_ERROR(Annotate(parts.vm->SetClock({.nanoseconds = state.clock_ns()}), "clock"));
  // Nothing is awake yet: this says so.
  return machine.SleepDevices();
}

}  // namespace touchstone
