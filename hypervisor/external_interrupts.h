// Interrupt controllers outside the hypervisor, as the INTR pin of the boot vCPU sees them: the
// PICs of a machine whose hypervisor has the local APICs alone (Vm::CreateSplitIrqChip).
//
// When `pending` becomes true while the vCPU runs, whoever made it so calls Vcpu::Kick.

#ifndef TOUCHSTONE_HYPERVISOR_EXTERNAL_INTERRUPTS_H_
#define TOUCHSTONE_HYPERVISOR_EXTERNAL_INTERRUPTS_H_

#include <cstdint>

namespace touchstone {

// Called on the vCPU's thread.
class ExternalInterrupts {
 public:
  virtual ~ExternalInterrupts() = default;

  // INTR. Asked before each entry of the guest, so it must be cheap.
  [[nodiscard]] virtual bool pending() const = 0;

  // INTA: the vector of the interrupt that the vCPU now takes.
  virtual uint8_t Acknowledge() = 0;
};

}  // namespace touchstone

#endif  // TOUCHSTONE_HYPERVISOR_EXTERNAL_INTERRUPTS_H_
