// A VM without a hypervisor under it, for tests of what is built on Vm.
//
// Checks arguments as KVM does, fires ioeventfds on scripted writes, and records interrupts.
// Thread-safe.

#ifndef TOUCHSTONE_HYPERVISOR_FAKE_FAKE_VM_H_
#define TOUCHSTONE_HYPERVISOR_FAKE_FAKE_VM_H_

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "base/mutex.h"
#include "hypervisor/external_interrupts.h"
#include "hypervisor/fake/fake_io_events.h"
#include "hypervisor/fake/fake_irq_chip.h"
#include "hypervisor/fake/fake_vcpu.h"
#include "hypervisor/vm.h"

namespace touchstone {

class FakeVm final : public Vm {
 public:
  // `on_vcpu`, when set, sees every vCPU as it is created. `optional_exits` are those of
  // EnableExit that there are.
  FakeVm(uint32_t max_vcpus, std::function<void(FakeVcpu&)> on_vcpu,
         std::set<OptionalExit> optional_exits)
      : max_vcpus_(max_vcpus),
        on_vcpu_(std::move(on_vcpu)),
        optional_exits_(std::move(optional_exits)) {}

  [[nodiscard]] std::map<uint32_t, MemorySlot> slots() const;
  // The guest writes these bytes: their pages are in the next TakeDirtyLog.
  void MarkDirty(GuestAddress start, uint64_t size);
  [[nodiscard]] bool has_irq_chip() const;
  [[nodiscard]] uint32_t boot_cpu() const;
  // The argument of CreateSplitIrqChip, once that was called.
  [[nodiscard]] std::optional<uint32_t> split_pins() const;
  // Those that were asked for.
  [[nodiscard]] std::set<OptionalExit> enabled_exits() const;
  // The vCPU with this id; nullptr when it was not created. Its owner may destroy it meanwhile.
  [[nodiscard]] FakeVcpu* vcpu(uint32_t id) const;

  FakeIoEvents& io_events() { return *io_events_; }
  FakeIrqChip& irq_chip() { return irq_chip_; }
  // irq_chip().Poll().
  size_t PollIrqFds() { return irq_chip_.Poll(); }

  absl::Status SetMemory(uint32_t slot, const MemorySlot& memory) override;
  absl::StatusOr<std::vector<uint64_t>> TakeDirtyLog(uint32_t slot) override;
  absl::Status CreateIrqChip() override;
  absl::Status SetBootCpu(uint32_t id) override;
  absl::Status CreateSplitIrqChip(uint32_t ioapic_pins, ExternalInterrupts& external) override;
  absl::Status EnableExit(OptionalExit exit) override;
  absl::StatusOr<std::unique_ptr<Vcpu>> CreateVcpu(uint32_t id,
                                                   absl::Span<const CpuidEntry> cpuid) override;
  absl::Status AddIoEvent(const IoEvent& io_event, const EventFd& event) override;
  absl::Status RemoveIoEvent(const IoEvent& io_event, const EventFd& event) override;
  absl::Status AddIrqFd(uint32_t gsi, const EventFd& trigger, const EventFd* resample) override;
  absl::Status RemoveIrqFd(uint32_t gsi, const EventFd& trigger) override;
  absl::Status SetIrqRoutes(absl::Span<const IrqRoute> routes) override;
  absl::Status SetIrqLine(uint32_t gsi, bool level) override;
  absl::StatusOr<bool> SignalMsi(const MsiMessage& message) override;
  absl::StatusOr<IrqChipState> GetIrqChip() override;
  absl::Status SetIrqChip(const IrqChipState& state) override;
  absl::StatusOr<ClockState> GetClock() override;
  absl::Status SetClock(const ClockState& state) override;

 private:
  struct Slot {
    MemorySlot memory;
    std::vector<uint64_t> dirty;
  };

  absl::Status CheckCanCreateIrqChip() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // FailedPrecondition, naming `call`, without CreateIrqChip.
  absl::Status RequireIrqChip(const char* call) const;

  const uint32_t max_vcpus_;
  const std::function<void(FakeVcpu&)> on_vcpu_;
  const std::set<OptionalExit> optional_exits_;
  const std::shared_ptr<FakeIoEvents> io_events_ = std::make_shared<FakeIoEvents>();
  FakeIrqChip irq_chip_;

  mutable Mutex mutex_;
  std::map<uint32_t, Slot> slots_ ABSL_GUARDED_BY(mutex_);
  std::map<uint32_t, FakeVcpu*> vcpus_ ABSL_GUARDED_BY(mutex_);
  bool has_irq_chip_ ABSL_GUARDED_BY(mutex_) = false;
  uint32_t boot_cpu_ ABSL_GUARDED_BY(mutex_) = 0;
  std::optional<uint32_t> split_pins_ ABSL_GUARDED_BY(mutex_);
  std::set<OptionalExit> enabled_exits_ ABSL_GUARDED_BY(mutex_);
  ExternalInterrupts* external_ ABSL_GUARDED_BY(mutex_) = nullptr;
  IrqChipState irq_chip_state_ ABSL_GUARDED_BY(mutex_);
  ClockState clock_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace touchstone

#endif  // TOUCHSTONE_HYPERVISOR_FAKE_FAKE_VM_H_
