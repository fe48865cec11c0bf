// Interrupt delivery of the machine: joins devices' IrqLine and MsiTarget to the hypervisor's
// global system interrupts (GSIs).
//
//   GSI 0-15   the same pin of the PICs and of the IOAPIC, 16-23 of the IOAPIC alone
//   GSI 24-    message-signalled interrupts, one each
//
// With a split chip the lines drive its controllers, whose IOAPIC's messages go to the hypervisor,
// and the routes of GSI 0-23 are those of its level-triggered interrupts, so that their ends are
// told.
//
// Thread-safe. Routes must not outlive the router, nor the router the VM.

#ifndef TOUCHSTONE_VMM_MACHINE_INTERRUPT_ROUTER_H_
#define TOUCHSTONE_VMM_MACHINE_INTERRUPT_ROUTER_H_

#include <cstdint>
#include <list>
#include <map>
#include <memory>
#include <optional>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/mutex.h"
#include "devices/irq/irq_line.h"
#include "devices/irq/msi_target.h"
#include "devices/irq/shared_irq_line.h"
#include "devices/platform/ioapic/ioapic_target.h"
#include "hypervisor/default_irq_routes.h"
#include "hypervisor/vm.h"
#include "vmm/machine/split_irq_chip.h"

namespace touchstone {

class InterruptRouter final : public MsiTarget {
 public:
  // Borrows `vm`. KVM limits a VM to 4096 routes; `max_messages` of them may be messages.
  // With `split`, connects its IOAPIC and borrows it too.
  explicit InterruptRouter(Vm& vm, SplitIrqChip* split = nullptr, uint32_t max_messages = 2048);

  // A new input of this GSI, valid for as long as the router. Inputs of one GSI are a wired OR: it
  // is high while any of them is. REQUIRES: gsi < kIoapicPins.
  IrqLine& Connect(uint32_t gsi);

  absl::StatusOr<std::unique_ptr<MsiRoute>> Route(uint64_t address, uint32_t data) override;

  // What has been signalled is in the hypervisor's controllers when this returns. REQUIRES: devices
  // and guest do nothing meanwhile.
  absl::Status Settle();

 private:
  // One GSI's input at the hypervisor or the split chip.
  class Gsi final : public IrqLine {
   public:
    Gsi(Vm& vm, SplitIrqChip* split, uint32_t gsi) : vm_(vm), split_(split), gsi_(gsi) {}
    void Set(bool level) override;

   private:
    Vm& vm_;
    SplitIrqChip* const split_;
    const uint32_t gsi_;
  };
  // Where the split chip's IOAPIC sends.
  class LocalApics final : public IoapicTarget {
   public:
    explicit LocalApics(InterruptRouter& router) : router_(router) {}
    bool Deliver(const IoapicMessage& message) override;
    void Watch(int input, const std::optional<IoapicMessage>& message) override;

   private:
    InterruptRouter& router_;
  };
  struct Pin {
    Pin(Vm& vm, SplitIrqChip* split, uint32_t gsi) : line(vm, split, gsi), shared(line) {}
    Gsi line;
    SharedIrqLine shared;
  };
  class Message;

  absl::Status SetMessage(uint32_t gsi, const MsiMessage& message);
  void RemoveMessage(uint32_t gsi);
  absl::Status Publish() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  Vm& vm_;
  SplitIrqChip* const split_;
  LocalApics local_apics_{*this};
  const uint32_t max_messages_;
  std::list<Pin> pins_;  // by GSI; fixed from the constructor on
  Mutex mutex_;
  std::map<uint32_t, MsiMessage> messages_ ABSL_GUARDED_BY(mutex_);
  std::map<uint32_t, const EventFd*> triggers_ ABSL_GUARDED_BY(mutex_);  // of those with an irqfd
  std::map<uint32_t, MsiMessage> levels_ ABSL_GUARDED_BY(mutex_);  // of the split chip, by GSI
};

}  // namespace touchstone

#endif  // TOUCHSTONE_VMM_MACHINE_INTERRUPT_ROUTER_H_
