#include "hypervisor/kvm/kvm_vcpu.h"

#include <sys/ioctl.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <string>

#include "absl/strings/str_cat.h"
#include "base/status.h"
#include "hypervisor/kvm/kick_signal.h"
#include "hypervisor/kvm/kvm_abi.h"
#include "hypervisor/kvm/kvm_exit.h"
#include "hypervisor/kvm/kvm_ioctl.h"
#include "hypervisor/kvm/kvm_msrs.h"
#include "hypervisor/kvm/kvm_state.h"

namespace touchstone {
namespace {

std::atomic_ref<uint8_t> ImmediateExit(kvm_run& run) {
  return std::atomic_ref<uint8_t>(run.immediate_exit);
}

// Now: while the vCPU runs, KVM would have the caller wait. A KVM older than 5.14 counts nothing.
KvmCounters OpenCounters(int vcpu) {
  const absl::StatusOr<int> fd = KVM_IOCTL(vcpu, KVM_GET_STATS_FD, uint64_t{0});
  return fd.ok() ? KvmCounters(ScopedFd(*fd)) : KvmCounters();
}

}  // namespace

absl::StatusOr<std::unique_ptr<KvmVcpu>> KvmVcpu::Create(ScopedFd fd, const Sizes& sizes,
                                                         const KvmCapabilities& capabilities,
                                                         absl::Span<const CpuidEntry> cpuid,
                                                         ExternalInterrupts* external) {
  ASSIGN_OR_RETURN(KvmRunArea area, KvmRunArea::Map(fd.get(), sizes.run_area));
  if (capabilities.sync_regs) area.run().kvm_valid_regs = KVM_SYNC_X86_REGS;
  std::unique_ptr<KvmVcpu> vcpu(
      new KvmVcpu(std::move(fd), std::move(area), sizes.xsave, capabilities, external));
  if (!cpuid.empty()) RETURN_IF_ERROR(vcpu->SetCpuid(cpuid));
  return vcpu;
}

KvmVcpu::KvmVcpu(ScopedFd fd, KvmRunArea area, size_t xsave_size,
                 const KvmCapabilities& capabilities, ExternalInterrupts* external)
    : fd_(std::move(fd)),
      area_(std::move(area)),
      xsave_size_(xsave_size),
      capabilities_(capabilities),
      external_(external),
      counters_(OpenCounters(fd_.get())) {}

// api.rst 5: ready_for_interrupt_injection is as the last KVM_RUN left it. Where the guest is not
// ready, request_interrupt_window makes KVM return as soon as it is.
absl::Status KvmVcpu::OfferInterrupt() {
  kvm_run& run = area_.run();
  if (external_->pending() && run.ready_for_interrupt_injection != 0) {
    kvm_interrupt interrupt = {};
    interrupt.irq = external_->Acknowledge();
    RETURN_IF_ERROR(KVM_IOCTL(fd_.get(), KVM_INTERRUPT, &interrupt).status());
    run.ready_for_interrupt_injection = 0;
  }
  run.request_interrupt_window = external_->pending() ? 1 : 0;
  return absl::OkStatus();
}

absl::StatusOr<VcpuExit> KvmVcpu::Run() {
  const pid_t thread = KickableThread();
  for (;;) {
    if (external_ != nullptr) RETURN_IF_ERROR(OfferInterrupt());
    // Sequentially consistent against Kick's store to immediate_exit and load of this: one of the
    // two sides sees the other.
    running_thread_.store(thread, std::memory_order_seq_cst);
    const int result = ioctl(fd_.get(), KVM_RUN, 0);
    const int error = errno;
    // Relaxed: a kick that still sees the thread only sends a signal too many.
    running_thread_.store(0, std::memory_order_relaxed);
    synced_ = capabilities_.sync_regs;
    if (result == 0) {
      if (external_ != nullptr && area_.run().exit_reason == KVM_EXIT_IRQ_WINDOW_OPEN) continue;
      return TranslateKvmExit(area_.run(), area_.size());
    }
    if (error == EINTR) {
      TakeKick();
      return InterruptedExit{};
    }
    // A processor that waits for its start-up message went through a change of state (api.rst 4.10
    // leaves EAGAIN to the caller). A kick in between is still in immediate_exit.
    if (error == EAGAIN) continue;
    return ErrnoStatus(error, "KVM_RUN");
  }
}

bool KvmVcpu::TakeKick() {
  // Acquire: what the kicking thread wrote before the kick is visible once Run returns.
  return ImmediateExit(area_.run()).exchange(0, std::memory_order_acq_rel) != 0;
}

void KvmVcpu::Kick() {
  // Sequentially consistent, see Run.
  ImmediateExit(area_.run()).store(1, std::memory_order_seq_cst);
  const pid_t thread = running_thread_.load(std::memory_order_seq_cst);
  if (thread != 0) SendKickSignal(thread);
}

void KvmVcpu::NotePause() {
  // api.rst 4.71: EINVAL when the guest has no clock of KVM's, and so no watchdog that asks.
  ioctl(fd_.get(), KVM_KVMCLOCK_CTRL, 0);
}

absl::StatusOr<GeneralRegisters> KvmVcpu::GetRegisters() {
  if (synced_) return FromKvm(area_.run().s.regs.regs);
  kvm_regs registers = {};
  RETURN_IF_ERROR(KVM_IOCTL(fd_.get(), KVM_GET_REGS, &registers).status());
  return FromKvm(registers);
}

absl::Status KvmVcpu::SetRegisters(const GeneralRegisters& registers) {
  const kvm_regs kvm = ToKvm(registers);
  synced_ = false;
  return KVM_IOCTL(fd_.get(), KVM_SET_REGS, &kvm).status();
}

absl::StatusOr<SpecialRegisters> KvmVcpu::GetSpecialRegisters() {
  kvm_sregs registers = {};
  RETURN_IF_ERROR(KVM_IOCTL(fd_.get(), KVM_GET_SREGS, &registers).status());
  return FromKvm(registers);
}

absl::Status KvmVcpu::SetSpecialRegisters(const SpecialRegisters& registers) {
  const kvm_sregs kvm = ToKvm(registers);
  return KVM_IOCTL(fd_.get(), KVM_SET_SREGS, &kvm).status();
}

absl::Status KvmVcpu::SetCpuid(absl::Span<const CpuidEntry> entries) {
  // kvm_cpuid2 and its entries are 8- and 40-byte records of 32-bit words.
  static_assert(sizeof(kvm_cpuid2) == 8 && sizeof(kvm_cpuid_entry2) == 40);
  std::vector<uint8_t> buffer(sizeof(kvm_cpuid2) + entries.size() * sizeof(kvm_cpuid_entry2));
  kvm_cpuid2 header = {};
  header.nent = static_cast<uint32_t>(entries.size());
  std::memcpy(buffer.data(), &header, sizeof(header));
  uint8_t* next = buffer.data() + sizeof(header);
  for (const CpuidEntry& entry : entries) {
    const kvm_cpuid_entry2 kvm = ToKvm(entry);
    std::memcpy(next, &kvm, sizeof(kvm));
    next += sizeof(kvm);
  }
  return KVM_IOCTL(fd_.get(), KVM_SET_CPUID2, buffer.data()).status();
}

absl::StatusOr<std::vector<Msr>> KvmVcpu::GetMsrs(absl::Span<const uint32_t> indices) {
  return GetKvmMsrs(fd_.get(), indices);
}

absl::StatusOr<std::vector<uint32_t>> KvmVcpu::SetMsrs(absl::Span<const Msr> msrs) {
  return SetKvmMsrs(fd_.get(), msrs);
}

absl::StatusOr<ExtendedState> KvmVcpu::GetExtendedState() {
  ExtendedState state;
  state.xsave.resize(xsave_size_);
  if (capabilities_.xsave2) {
    RETURN_IF_ERROR(KVM_IOCTL(fd_.get(), KVM_GET_XSAVE2, state.xsave.data()).status());
  } else {
    RETURN_IF_ERROR(KVM_IOCTL(fd_.get(), KVM_GET_XSAVE, state.xsave.data()).status());
  }
  kvm_xcrs xcrs = {};
  RETURN_IF_ERROR(KVM_IOCTL(fd_.get(), KVM_GET_XCRS, &xcrs).status());
  const uint32_t count = std::min<uint32_t>(xcrs.nr_xcrs, KVM_MAX_XCRS);
  for (uint32_t i = 0; i < count; ++i) {
    if (xcrs.xcrs[i].xcr == 0) state.xcr0 = xcrs.xcrs[i].value;
  }
  return state;
}

absl::Status KvmVcpu::SetExtendedState(const ExtendedState& state) {
  // A state saved where fewer components exist has zeros in the others.
  if (state.xsave.size() < sizeof(kvm_xsave) || state.xsave.size() > xsave_size_) {
    return absl::InvalidArgumentError(absl::StrCat("XSAVE area of ", state.xsave.size(),
                                                   " bytes; this vCPU takes ", sizeof(kvm_xsave),
                                                   " to ", xsave_size_));
  }
  kvm_xcrs xcrs = {};
  xcrs.nr_xcrs = 1;
  xcrs.xcrs[0].value = state.xcr0;
  RETURN_IF_ERROR(KVM_IOCTL(fd_.get(), KVM_SET_XCRS, &xcrs).status());
  std::vector<uint8_t> area = state.xsave;
  area.resize(xsave_size_);
  return KVM_IOCTL(fd_.get(), KVM_SET_XSAVE, area.data()).status();
}

absl::StatusOr<LapicState> KvmVcpu::GetLapic() {
  LapicState state;
  static_assert(sizeof(kvm_lapic_state) == sizeof(state));
  RETURN_IF_ERROR(KVM_IOCTL(fd_.get(), KVM_GET_LAPIC, state.data()).status());
  return state;
}

absl::Status KvmVcpu::SetLapic(const LapicState& state) {
  return KVM_IOCTL(fd_.get(), KVM_SET_LAPIC, state.data()).status();
}

absl::StatusOr<VcpuEvents> KvmVcpu::GetEvents() {
  // The run state first: reading it lets KVM accept a pending INIT, which changes the events.
  kvm_mp_state mp_state = {};
  RETURN_IF_ERROR(KVM_IOCTL(fd_.get(), KVM_GET_MP_STATE, &mp_state).status());
  kvm_vcpu_events kvm = {};
  RETURN_IF_ERROR(KVM_IOCTL(fd_.get(), KVM_GET_VCPU_EVENTS, &kvm).status());
  kvm_debugregs debug = {};
  RETURN_IF_ERROR(KVM_IOCTL(fd_.get(), KVM_GET_DEBUGREGS, &debug).status());
  VcpuEvents events;
  FromKvmEvents(kvm, events);
  ASSIGN_OR_RETURN(events.run_state, FromKvm(mp_state));
  events.debug = FromKvm(debug);
  return events;
}

absl::Status KvmVcpu::SetEvents(const VcpuEvents& events) {
  const kvm_mp_state mp_state = ToKvm(events.run_state);
  RETURN_IF_ERROR(KVM_IOCTL(fd_.get(), KVM_SET_MP_STATE, &mp_state).status());
  const kvm_vcpu_events kvm = ToKvmEvents(events, capabilities_);
  RETURN_IF_ERROR(KVM_IOCTL(fd_.get(), KVM_SET_VCPU_EVENTS, &kvm).status());
  const kvm_debugregs debug = ToKvm(events.debug);
  return KVM_IOCTL(fd_.get(), KVM_SET_DEBUGREGS, &debug).status();
}

absl::StatusOr<uint32_t> KvmVcpu::GetTscKhz() {
  if (!capabilities_.tsc_khz) return 0;
  const absl::StatusOr<int> khz = KVM_IOCTL(fd_.get(), KVM_GET_TSC_KHZ, uint64_t{0});
  // api.rst 4.56: EIO where the host's counter is unstable.
  return khz.ok() && *khz > 0 ? static_cast<uint32_t>(*khz) : 0;
}

absl::Status KvmVcpu::SetTscKhz(uint32_t khz) {
  return KVM_IOCTL(fd_.get(), KVM_SET_TSC_KHZ, uint64_t{khz}).status();
}

absl::Status KvmVcpu::SetDebug(const DebugControl& control) {
  ASSIGN_OR_RETURN(kvm_guest_debug debug, ToKvm(control));
  // KVM_GUESTDBG_SINGLESTEP works through RFLAGS.TF, which the copy would not show.
  synced_ = false;
  return KVM_IOCTL(fd_.get(), KVM_SET_GUEST_DEBUG, &debug).status();
}

}  // namespace touchstone
