// The interrupt controllers and the timer of `--irqchip split`: PICs, IOAPIC and PIT here, beside
// the hypervisor's local APICs.
//
//   GSI 0-15   the same pin of the PICs and of the IOAPIC, 16-23 of the IOAPIC alone
//
//   lines ──> PICs ──INTR──> LINT0 of the boot vCPU (ExternalInterrupts)
//        └──> IOAPIC ──messages──> local APICs; EndOfInterruptExit back
//
// Made before the VM, which is told of the PICs when it is created; ConnectIoapic and AddTo then
// make the rest. Thread-safe once it is made.

#ifndef TOUCHSTONE_VMM_MACHINE_SPLIT_IRQ_CHIP_H_
#define TOUCHSTONE_VMM_MACHINE_SPLIT_IRQ_CHIP_H_

#include <atomic>
#include <cstdint>
#include <optional>

#include "absl/status/status.h"
#include "devices/bus/bus.h"
#include "devices/irq/irq_line.h"
#include "devices/platform/ioapic/ioapic.h"
#include "devices/platform/ioapic/ioapic_target.h"
#include "devices/platform/pic/pic.h"
#include "devices/platform/pit/pit.h"
#include "hypervisor/external_interrupts.h"
#include "hypervisor/vcpu.h"
#include "vmm/machine/machine_host.h"

namespace touchstone {

class SplitIrqChipSaved;  // platform_state.pb.h

class SplitIrqChip final : public ExternalInterrupts {
 public:
  SplitIrqChip();

  // Makes the IOAPIC, which sends to `target`. Once, before any input is driven.
  void ConnectIoapic(IoapicTarget& target);
  // Makes the PIT, which interrupts on `timer`, and puts all onto the buses. Borrows the arguments.
  absl::Status AddTo(Bus& ports, Bus& mmio, const MachineHost& host, IrqLine& timer);
  // Who is to be kicked when the PICs have an interrupt; null for nobody (any more).
  void SetBootVcpu(Vcpu* vcpu) { boot_vcpu_.store(vcpu, std::memory_order_release); }

  // Drives a GSI. REQUIRES: gsi < kIoapicPins.
  void SetInput(uint32_t gsi, bool level);
  // A local APIC is done with a level-triggered interrupt.
  void EndOfInterrupt(uint8_t vector);

  // REQUIRES: the vCPUs stand still.
  void Save(SplitIrqChipSaved& saved);
  // After the vCPUs' local APICs, to which it sends what is due. InvalidArgument names the chip
  // whose state it does not take.
  absl::Status Restore(const SplitIrqChipSaved& saved);

  [[nodiscard]] bool pending() const override { return pic_.output(); }
  uint8_t Acknowledge() override { return pic_.Acknowledge(); }

 private:
  // Acquire and release: the kicked vCPU is a whole one.
  std::atomic<Vcpu*> boot_vcpu_{nullptr};
  Pic pic_;
  std::optional<Ioapic> ioapic_;
  std::optional<Pit> pit_;
};

}  // namespace touchstone

#endif  // TOUCHSTONE_VMM_MACHINE_SPLIT_IRQ_CHIP_H_
