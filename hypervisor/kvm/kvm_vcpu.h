// A vCPU of KVM.
//
// Kick sets the run area's immediate_exit, which KVM reads on entry, and then signals the thread
// that is in KVM_RUN, so that no moment is left in which a kick is lost (api.rst 5,
// immediate_exit). A signal that comes too late finds the thread in user space, where it interrupts
// at most one system call. The thread that kicks needs tgkill(2), the one that runs rt_sigprocmask.

#ifndef TOUCHSTONE_HYPERVISOR_KVM_KVM_VCPU_H_
#define TOUCHSTONE_HYPERVISOR_KVM_KVM_VCPU_H_

#include <sys/types.h>

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "base/scoped_fd.h"
#include "hypervisor/external_interrupts.h"
#include "hypervisor/kvm/kvm_capabilities.h"
#include "hypervisor/kvm/kvm_counters.h"
#include "hypervisor/kvm/kvm_run_area.h"
#include "hypervisor/vcpu.h"

namespace touchstone {

class KvmVcpu final : public Vcpu {
 public:
  // Sizes that KVM tells per system and per VM.
  struct Sizes {
    size_t run_area = 0;
    size_t xsave = 0;
  };

  // `fd` is what KVM_CREATE_VCPU returned. `external` may be null.
  static absl::StatusOr<std::unique_ptr<KvmVcpu>> Create(ScopedFd fd, const Sizes& sizes,
                                                         const KvmCapabilities& capabilities,
                                                         absl::Span<const CpuidEntry> cpuid,
                                                         ExternalInterrupts* external);

  absl::StatusOr<VcpuExit> Run() override;
  void Kick() override;
  void NotePause() override;

  absl::StatusOr<GeneralRegisters> GetRegisters() override;
  absl::Status SetRegisters(const GeneralRegisters& registers) override;
  absl::StatusOr<SpecialRegisters> GetSpecialRegisters() override;
  absl::Status SetSpecialRegisters(const SpecialRegisters& registers) override;
  absl::StatusOr<std::vector<Msr>> GetMsrs(absl::Span<const uint32_t> indices) override;
  absl::StatusOr<std::vector<uint32_t>> SetMsrs(absl::Span<const Msr> msrs) override;
  absl::StatusOr<ExtendedState> GetExtendedState() override;
  absl::Status SetExtendedState(const ExtendedState& state) override;
  absl::StatusOr<LapicState> GetLapic() override;
  absl::Status SetLapic(const LapicState& state) override;
  absl::StatusOr<VcpuEvents> GetEvents() override;
  absl::Status SetEvents(const VcpuEvents& events) override;
  absl::StatusOr<uint32_t> GetTscKhz() override;
  absl::Status SetTscKhz(uint32_t khz) override;
  absl::Status SetDebug(const DebugControl& control) override;
  [[nodiscard]] absl::StatusOr<std::vector<VcpuCounter>> Counters() const override {
    return counters_.Read();
  }

 private:
  KvmVcpu(ScopedFd fd, KvmRunArea area, size_t xsave_size, const KvmCapabilities& capabilities,
          ExternalInterrupts* external);

  absl::Status SetCpuid(absl::Span<const CpuidEntry> entries);
  // Injects an external interrupt, or asks to be told when one can be injected.
  absl::Status OfferInterrupt();
  // True when a kick was waiting.
  bool TakeKick();

  const ScopedFd fd_;
  const KvmRunArea area_;
  const size_t xsave_size_;
  const KvmCapabilities capabilities_;
  ExternalInterrupts* const external_;
  const KvmCounters counters_;
  // The thread inside KVM_RUN, 0 when none is.
  std::atomic<pid_t> running_thread_{0};
  // The run area's copy of the general registers is what the vCPU has.
  bool synced_ = false;
};

}  // namespace touchstone

#endif  // TOUCHSTONE_HYPERVISOR_KVM_KVM_VCPU_H_
