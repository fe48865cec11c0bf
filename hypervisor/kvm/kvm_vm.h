// A VM of KVM.
//
// Every call is one or two ioctls; KVM's own locks make them thread-safe. What is kept here is the
// table of slots, because KVM cannot replace a slot in one step.

#ifndef TOUCHSTONE_HYPERVISOR_KVM_KVM_VM_H_
#define TOUCHSTONE_HYPERVISOR_KVM_KVM_VM_H_

#include <cstdint>
#include <map>
#include <memory>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "base/mutex.h"
#include "base/scoped_fd.h"
#include "hypervisor/external_interrupts.h"
#include "hypervisor/kvm/kvm_capabilities.h"
#include "hypervisor/kvm/kvm_vcpu.h"
#include "hypervisor/vm.h"

namespace touchstone {

// Where Intel processors without unrestricted guest mode keep what real mode needs: one page of
// identity map, three of task state segment. Reserved for KVM in the guest's memory map, below the
// flash at 4 GiB.
inline constexpr uint64_t kIdentityMapAddress = 0xFEFFC000;
inline constexpr uint64_t kTssAddress = 0xFEFFD000;

class KvmVm final : public Vm {
 public:
  // `fd` is what KVM_CREATE_VM returned, `run_area_size` what KVM_GET_VCPU_MMAP_SIZE did.
  static absl::StatusOr<std::unique_ptr<KvmVm>> Create(ScopedFd fd, size_t run_area_size,
                                                       const KvmCapabilities& capabilities);

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
  KvmVm(ScopedFd fd, KvmVcpu::Sizes sizes, const KvmCapabilities& capabilities)
      : fd_(std::move(fd)), sizes_(sizes), capabilities_(capabilities) {}

  // KVM_SET_USER_MEMORY_REGION, size 0 removes.
  absl::Status SetRegion(uint32_t slot, const MemorySlot& memory);
  absl::Status IoEventRequest(const IoEvent& io_event, const EventFd& event, uint32_t flags);

  const ScopedFd fd_;
  const KvmVcpu::Sizes sizes_;
  const KvmCapabilities capabilities_;
  Mutex mutex_;
  std::map<uint32_t, MemorySlot> slots_ ABSL_GUARDED_BY(mutex_);
  uint32_t boot_cpu_ ABSL_GUARDED_BY(mutex_) = 0;
  ExternalInterrupts* external_ ABSL_GUARDED_BY(mutex_) = nullptr;
};

}  // namespace touchstone

#endif  // TOUCHSTONE_HYPERVISOR_KVM_KVM_VM_H_
