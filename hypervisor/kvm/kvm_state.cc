#include "hypervisor/kvm/kvm_state.h"

#include <algorithm>
#include <iterator>

#include "absl/strings/str_cat.h"
#include "base/bits.h"

namespace touchstone {
namespace {

// KVM's structures and ours name their fields alike, so one list of them serves both directions.
template <typename To, typename From>
To CopySegment(const From& from) {
  To to = {};
  to.base = from.base;
  to.limit = from.limit;
  to.selector = from.selector;
  to.type = from.type;
  to.present = from.present != 0;
  to.dpl = from.dpl;
  to.db = from.db != 0;
  to.s = from.s != 0;
  to.l = from.l != 0;
  to.g = from.g != 0;
  to.avl = from.avl != 0;
  to.unusable = from.unusable != 0;
  return to;
}

template <typename To, typename From>
To CopyTable(const From& from) {
  To to = {};
  to.base = from.base;
  to.limit = from.limit;
  return to;
}

template <typename To, typename From>
To CopyGeneral(const From& r) {
  return {.rax = r.rax,
          .rbx = r.rbx,
          .rcx = r.rcx,
          .rdx = r.rdx,
          .rsi = r.rsi,
          .rdi = r.rdi,
          .rsp = r.rsp,
          .rbp = r.rbp,
          .r8 = r.r8,
          .r9 = r.r9,
          .r10 = r.r10,
          .r11 = r.r11,
          .r12 = r.r12,
          .r13 = r.r13,
          .r14 = r.r14,
          .r15 = r.r15,
          .rip = r.rip,
          .rflags = r.rflags};
}

template <typename To, typename From, typename ToSegment, typename ToTable>
To CopySpecial(const From& from, ToSegment segment, ToTable table) {
  To to = {};
  to.cs = segment(from.cs);
  to.ds = segment(from.ds);
  to.es = segment(from.es);
  to.fs = segment(from.fs);
  to.gs = segment(from.gs);
  to.ss = segment(from.ss);
  to.tr = segment(from.tr);
  to.ldt = segment(from.ldt);
  to.gdt = table(from.gdt);
  to.idt = table(from.idt);
  to.cr0 = from.cr0;
  to.cr2 = from.cr2;
  to.cr3 = from.cr3;
  to.cr4 = from.cr4;
  to.cr8 = from.cr8;
  to.efer = from.efer;
  to.apic_base = from.apic_base;
  static_assert(sizeof(to.interrupt_bitmap) == sizeof(from.interrupt_bitmap));
  std::copy(std::begin(from.interrupt_bitmap), std::end(from.interrupt_bitmap),
            std::begin(to.interrupt_bitmap));
  return to;
}

// SDM vol. 3, 17.2.4, the R/W field: 00 execution, 01 data writes, 11 data reads or writes.
uint64_t BreakpointCondition(DebugControl::Breakpoint::Kind kind) {
  switch (kind) {
    case DebugControl::Breakpoint::Kind::kExecute:
      return 0b00;
    case DebugControl::Breakpoint::Kind::kWrite:
      return 0b01;
    case DebugControl::Breakpoint::Kind::kAccess:
      return 0b11;
  }
  return 0b11;
}

// SDM vol. 3, 17.2.4, the LEN field: 00 one byte, 01 two, 10 eight, 11 four.
std::optional<uint64_t> BreakpointLength(const DebugControl::Breakpoint& breakpoint) {
  if (breakpoint.kind == DebugControl::Breakpoint::Kind::kExecute && breakpoint.size != 1) {
    return std::nullopt;
  }
  switch (breakpoint.size) {
    case 1:
      return 0b00;
    case 2:
      return 0b01;
    case 8:
      return 0b10;
    case 4:
      return 0b11;
    default:
      return std::nullopt;
  }
}

// SDM vol. 3, 17.2.4: local and global exact breakpoint enable, and bit 10, which is always set.
constexpr uint64_t kDr7Base = Bit<uint64_t>(8) | Bit<uint64_t>(9) | Bit<uint64_t>(10);

}  // namespace

kvm_regs ToKvm(const GeneralRegisters& registers) { return CopyGeneral<kvm_regs>(registers); }

GeneralRegisters FromKvm(const kvm_regs& kvm) { return CopyGeneral<GeneralRegisters>(kvm); }

kvm_sregs ToKvm(const SpecialRegisters& registers) {
  return CopySpecial<kvm_sregs>(registers, CopySegment<kvm_segment, Segment>,
                                CopyTable<kvm_dtable, DescriptorTable>);
}

SpecialRegisters FromKvm(const kvm_sregs& kvm) {
  return CopySpecial<SpecialRegisters>(kvm, CopySegment<Segment, kvm_segment>,
                                       CopyTable<DescriptorTable, kvm_dtable>);
}

kvm_debugregs ToKvm(const DebugRegisters& registers) {
  kvm_debugregs kvm = {};
  std::copy(registers.db.begin(), registers.db.end(), kvm.db);
  kvm.dr6 = registers.dr6;
  kvm.dr7 = registers.dr7;
  return kvm;
}

DebugRegisters FromKvm(const kvm_debugregs& kvm) {
  DebugRegisters registers;
  std::copy(std::begin(kvm.db), std::end(kvm.db), registers.db.begin());
  registers.dr6 = kvm.dr6;
  registers.dr7 = kvm.dr7;
  return registers;
}

kvm_cpuid_entry2 ToKvm(const CpuidEntry& entry) {
  kvm_cpuid_entry2 kvm = {};
  kvm.function = entry.function;
  kvm.index = entry.index;
  kvm.flags = entry.significant_index ? KVM_CPUID_FLAG_SIGNIFCANT_INDEX : 0;
  kvm.eax = entry.eax;
  kvm.ebx = entry.ebx;
  kvm.ecx = entry.ecx;
  kvm.edx = entry.edx;
  return kvm;
}

CpuidEntry FromKvm(const kvm_cpuid_entry2& kvm) {
  return {.function = kvm.function,
          .index = kvm.index,
          .significant_index = (kvm.flags & KVM_CPUID_FLAG_SIGNIFCANT_INDEX) != 0,
          .eax = kvm.eax,
          .ebx = kvm.ebx,
          .ecx = kvm.ecx,
          .edx = kvm.edx};
}

kvm_vcpu_events ToKvmEvents(const VcpuEvents& events, const KvmCapabilities& capabilities) {
  kvm_vcpu_events kvm = {};
  kvm.exception.injected = events.exception_injected;
  kvm.exception.nr = events.exception_vector;
  kvm.exception.has_error_code = events.exception_has_error_code;
  kvm.exception.error_code = events.exception_error_code;
  kvm.interrupt.injected = events.interrupt_injected;
  kvm.interrupt.nr = events.interrupt_vector;
  kvm.interrupt.soft = events.interrupt_soft;
  kvm.interrupt.shadow = events.interrupt_shadow;
  kvm.nmi.injected = events.nmi_injected;
  kvm.nmi.pending = events.nmi_pending;
  kvm.nmi.masked = events.nmi_masked;
  kvm.sipi_vector = events.sipi_vector;
  kvm.flags = KVM_VCPUEVENT_VALID_NMI_PENDING | KVM_VCPUEVENT_VALID_SIPI_VECTOR |
              KVM_VCPUEVENT_VALID_SHADOW;
  if (capabilities.smm) {
    kvm.flags |= KVM_VCPUEVENT_VALID_SMM;
    kvm.smi.smm = events.smm;
    kvm.smi.pending = events.smm_pending;
    kvm.smi.smm_inside_nmi = events.smm_inside_nmi;
    kvm.smi.latched_init = events.latched_init;
  }
  if (capabilities.exception_payload) {
    kvm.flags |= KVM_VCPUEVENT_VALID_PAYLOAD;
    kvm.exception.pending = events.exception_pending;
    kvm.exception_has_payload = events.exception_has_payload;
    kvm.exception_payload = events.exception_payload;
  }
  if (capabilities.triple_fault_event) {
    kvm.flags |= KVM_VCPUEVENT_VALID_TRIPLE_FAULT;
    kvm.triple_fault.pending = events.triple_fault_pending;
  }
  return kvm;
}

void FromKvmEvents(const kvm_vcpu_events& kvm, VcpuEvents& events) {
  events.exception_injected = kvm.exception.injected != 0;
  events.exception_vector = kvm.exception.nr;
  events.exception_has_error_code = kvm.exception.has_error_code != 0;
  events.exception_error_code = kvm.exception.error_code;
  events.interrupt_injected = kvm.interrupt.injected != 0;
  events.interrupt_vector = kvm.interrupt.nr;
  events.interrupt_soft = kvm.interrupt.soft != 0;
  events.interrupt_shadow = kvm.interrupt.shadow;
  events.nmi_injected = kvm.nmi.injected != 0;
  events.nmi_pending = kvm.nmi.pending != 0;
  events.nmi_masked = kvm.nmi.masked != 0;
  events.sipi_vector = kvm.sipi_vector;
  const bool payload = (kvm.flags & KVM_VCPUEVENT_VALID_PAYLOAD) != 0;
  events.exception_pending = payload && kvm.exception.pending != 0;
  events.exception_has_payload = payload && kvm.exception_has_payload != 0;
  events.exception_payload = payload ? kvm.exception_payload : 0;
  const bool smm = (kvm.flags & KVM_VCPUEVENT_VALID_SMM) != 0;
  events.smm = smm && kvm.smi.smm != 0;
  events.smm_pending = smm && kvm.smi.pending != 0;
  events.smm_inside_nmi = smm && kvm.smi.smm_inside_nmi != 0;
  events.latched_init = smm && kvm.smi.latched_init != 0;
  events.triple_fault_pending =
      (kvm.flags & KVM_VCPUEVENT_VALID_TRIPLE_FAULT) != 0 && kvm.triple_fault.pending != 0;
}

kvm_mp_state ToKvm(RunState state) {
  switch (state) {
    case RunState::kRunnable:
      return {KVM_MP_STATE_RUNNABLE};
    case RunState::kUninitialized:
      return {KVM_MP_STATE_UNINITIALIZED};
    case RunState::kInitReceived:
      return {KVM_MP_STATE_INIT_RECEIVED};
    case RunState::kHalted:
      return {KVM_MP_STATE_HALTED};
    case RunState::kSipiReceived:
      return {KVM_MP_STATE_SIPI_RECEIVED};
  }
  return {KVM_MP_STATE_RUNNABLE};
}

absl::StatusOr<RunState> FromKvm(const kvm_mp_state& state) {
  switch (state.mp_state) {
    case KVM_MP_STATE_RUNNABLE:
      return RunState::kRunnable;
    case KVM_MP_STATE_UNINITIALIZED:
      return RunState::kUninitialized;
    case KVM_MP_STATE_INIT_RECEIVED:
      return RunState::kInitReceived;
    case KVM_MP_STATE_HALTED:
      return RunState::kHalted;
    case KVM_MP_STATE_SIPI_RECEIVED:
      return RunState::kSipiReceived;
    default:
      return absl::InternalError(absl::StrCat("KVM_GET_MP_STATE: unknown state ", state.mp_state));
  }
}

absl::StatusOr<kvm_guest_debug> ToKvm(const DebugControl& control) {
  kvm_guest_debug kvm = {};
  if (control.single_step) kvm.control |= KVM_GUESTDBG_ENABLE | KVM_GUESTDBG_SINGLESTEP;
  if (control.software_breakpoints) kvm.control |= KVM_GUESTDBG_ENABLE | KVM_GUESTDBG_USE_SW_BP;
  for (size_t i = 0; i < control.breakpoints.size(); ++i) {
    if (!control.breakpoints[i].has_value()) continue;
    const DebugControl::Breakpoint& breakpoint = *control.breakpoints[i];
    const std::optional<uint64_t> length = BreakpointLength(breakpoint);
    if (!length.has_value()) {
      return absl::InvalidArgumentError(absl::StrCat("breakpoint ", i, ": size ",
                                                     static_cast<int>(breakpoint.size),
                                                     " does not exist for its kind"));
    }
    kvm.control |= KVM_GUESTDBG_ENABLE | KVM_GUESTDBG_USE_HW_BP;
    kvm.arch.debugreg[i] = breakpoint.address;
    // SDM vol. 3, 17.2.4: global enable at bit 2n + 1, R/W at 4n + 16, LEN at 4n + 18.
    kvm.arch.debugreg[7] |= kDr7Base | Bit<uint64_t>(static_cast<int>(2 * i + 1)) |
                            (BreakpointCondition(breakpoint.kind) << (4 * i + 16)) |
                            (*length << (4 * i + 18));
  }
  return kvm;
}

}  // namespace touchstone
