#include "vmm/machine/vcpu_state.h"

#include <algorithm>
#include <string>
#include <vector>

#include "absl/algorithm/container.h"
#include "absl/strings/str_cat.h"
#include "base/bits.h"
#include "base/status.h"
#include "vmm/machine/narrow.h"

namespace touchstone {
namespace {

// SDM vol. 4.
constexpr uint32_t kMsrTsc = 0x10;
constexpr uint32_t kMsrTscDeadline = 0x6E0;

constexpr uint64_t kCr4Vmxe = Bit<uint64_t>(13);   // SDM vol. 3, 2.5
constexpr uint64_t kEferSvme = Bit<uint64_t>(12);  // APM vol. 2, 3.1.7

// Linux takes a counter that is set to within a second of where it would be for one that is to be
// as it would be (arch/x86/kvm/x86.c, kvm_synchronize_tsc). This is further away.
constexpr uint64_t kOtherTime = uint64_t{1} << 42;

void Save(const GeneralRegisters& from, GeneralRegistersState& to) {
  to.set_rax(from.rax);
  to.set_rbx(from.rbx);
  to.set_rcx(from.rcx);
  to.set_rdx(from.rdx);
  to.set_rsi(from.rsi);
  to.set_rdi(from.rdi);
  to.set_rsp(from.rsp);
  to.set_rbp(from.rbp);
  to.set_r8(from.r8);
  to.set_r9(from.r9);
  to.set_r10(from.r10);
  to.set_r11(from.r11);
  to.set_r12(from.r12);
  to.set_r13(from.r13);
  to.set_r14(from.r14);
  to.set_r15(from.r15);
  to.set_rip(from.rip);
  to.set_rflags(from.rflags);
}

GeneralRegisters Read(const GeneralRegistersState& from) {
  return {.rax = from.rax(),
          .rbx = from.rbx(),
          .rcx = from.rcx(),
          .rdx = from.rdx(),
          .rsi = from.rsi(),
          .rdi = from.rdi(),
          .rsp = from.rsp(),
          .rbp = from.rbp(),
          .r8 = from.r8(),
          .r9 = from.r9(),
          .r10 = from.r10(),
          .r11 = from.r11(),
          .r12 = from.r12(),
          .r13 = from.r13(),
          .r14 = from.r14(),
          .r15 = from.r15(),
          .rip = from.rip(),
          .rflags = from.rflags()};
}

void Save(const Segment& from, SegmentState& to) {
  to.set_base(from.base);
  to.set_limit(from.limit);
  to.set_selector(from.selector);
  to.set_type(from.type);
  to.set_present(from.present);
  to.set_dpl(from.dpl);
  to.set_db(from.db);
  to.set_s(from.s);
  to.set_l(from.l);
  to.set_g(from.g);
  to.set_avl(from.avl);
  to.set_unusable(from.unusable);
}

Segment Read(const SegmentState& from, Narrow& narrow) {
  Segment to = {.base = from.base(),
                .limit = from.limit(),
                .present = from.present(),
                .db = from.db(),
                .s = from.s(),
                .l = from.l(),
                .g = from.g(),
                .avl = from.avl(),
                .unusable = from.unusable()};
  narrow("a segment's selector", from.selector(), to.selector);
  narrow("a segment's type", from.type(), to.type);
  narrow("a segment's DPL", from.dpl(), to.dpl);
  return to;
}

void Save(const DescriptorTable& from, DescriptorTableState& to) {
  to.set_base(from.base);
  to.set_limit(from.limit);
}

DescriptorTable Read(const DescriptorTableState& from, Narrow& narrow) {
  DescriptorTable to = {.base = from.base()};
  narrow("a descriptor table's limit", from.limit(), to.limit);
  return to;
}

void Save(const SpecialRegisters& from, SpecialRegistersState& to) {
  Save(from.cs, *to.mutable_cs());
  Save(from.ds, *to.mutable_ds());
  Save(from.es, *to.mutable_es());
  Save(from.fs, *to.mutable_fs());
  Save(from.gs, *to.mutable_gs());
  Save(from.ss, *to.mutable_ss());
  Save(from.tr, *to.mutable_tr());
  Save(from.ldt, *to.mutable_ldt());
  Save(from.gdt, *to.mutable_gdt());
  Save(from.idt, *to.mutable_idt());
  to.set_cr0(from.cr0);
  to.set_cr2(from.cr2);
  to.set_cr3(from.cr3);
  to.set_cr4(from.cr4);
  to.set_cr8(from.cr8);
  to.set_efer(from.efer);
  to.set_apic_base(from.apic_base);
  for (const uint64_t word : from.interrupt_bitmap) to.add_interrupt_bitmap(word);
}

SpecialRegisters Read(const SpecialRegistersState& from, Narrow& narrow) {
  SpecialRegisters to = {.cs = Read(from.cs(), narrow),
                         .ds = Read(from.ds(), narrow),
                         .es = Read(from.es(), narrow),
                         .fs = Read(from.fs(), narrow),
                         .gs = Read(from.gs(), narrow),
                         .ss = Read(from.ss(), narrow),
                         .tr = Read(from.tr(), narrow),
                         .ldt = Read(from.ldt(), narrow),
                         .gdt = Read(from.gdt(), narrow),
                         .idt = Read(from.idt(), narrow),
                         .cr0 = from.cr0(),
                         .cr2 = from.cr2(),
                         .cr3 = from.cr3(),
                         .cr4 = from.cr4(),
                         .cr8 = from.cr8(),
                         .efer = from.efer(),
                         .apic_base = from.apic_base()};
  if (from.interrupt_bitmap_size() != static_cast<int>(to.interrupt_bitmap.size())) {
    narrow.Refuse(absl::StrCat("an interrupt bitmap of ", from.interrupt_bitmap_size(), " words"));
  } else {
    absl::c_copy(from.interrupt_bitmap(), to.interrupt_bitmap.begin());
  }
  return to;
}

void Save(const VcpuEvents& from, VcpuEventsState& to) {
  to.set_exception_injected(from.exception_injected);
  to.set_exception_pending(from.exception_pending);
  to.set_exception_vector(from.exception_vector);
  to.set_exception_has_error_code(from.exception_has_error_code);
  to.set_exception_error_code(from.exception_error_code);
  to.set_exception_payload(from.exception_payload);
  to.set_exception_has_payload(from.exception_has_payload);
  to.set_interrupt_injected(from.interrupt_injected);
  to.set_interrupt_vector(from.interrupt_vector);
  to.set_interrupt_soft(from.interrupt_soft);
  to.set_interrupt_shadow(from.interrupt_shadow);
  to.set_nmi_injected(from.nmi_injected);
  to.set_nmi_pending(from.nmi_pending);
  to.set_nmi_masked(from.nmi_masked);
  to.set_sipi_vector(from.sipi_vector);
  to.set_smm(from.smm);
  to.set_smm_pending(from.smm_pending);
  to.set_smm_inside_nmi(from.smm_inside_nmi);
  to.set_latched_init(from.latched_init);
  to.set_triple_fault_pending(from.triple_fault_pending);
  to.set_run_state(static_cast<VcpuEventsState::RunState>(from.run_state));
  for (const uint64_t address : from.debug.db) to.add_db(address);
  to.set_dr6(from.debug.dr6);
  to.set_dr7(from.debug.dr7);
}

static_assert(static_cast<int>(RunState::kRunnable) == VcpuEventsState::RUNNABLE);
static_assert(static_cast<int>(RunState::kUninitialized) == VcpuEventsState::UNINITIALIZED);
static_assert(static_cast<int>(RunState::kInitReceived) == VcpuEventsState::INIT_RECEIVED);
static_assert(static_cast<int>(RunState::kHalted) == VcpuEventsState::HALTED);
static_assert(static_cast<int>(RunState::kSipiReceived) == VcpuEventsState::SIPI_RECEIVED);

VcpuEvents Read(const VcpuEventsState& from, Narrow& narrow) {
  VcpuEvents to = {.exception_injected = from.exception_injected(),
                   .exception_pending = from.exception_pending(),
                   .exception_has_error_code = from.exception_has_error_code(),
                   .exception_error_code = from.exception_error_code(),
                   .exception_payload = from.exception_payload(),
                   .exception_has_payload = from.exception_has_payload(),
                   .interrupt_injected = from.interrupt_injected(),
                   .interrupt_soft = from.interrupt_soft(),
                   .nmi_injected = from.nmi_injected(),
                   .nmi_pending = from.nmi_pending(),
                   .nmi_masked = from.nmi_masked(),
                   .sipi_vector = from.sipi_vector(),
                   .smm = from.smm(),
                   .smm_pending = from.smm_pending(),
                   .smm_inside_nmi = from.smm_inside_nmi(),
                   .latched_init = from.latched_init(),
                   .triple_fault_pending = from.triple_fault_pending(),
                   .run_state = static_cast<RunState>(from.run_state())};
  narrow("an exception's vector", from.exception_vector(), to.exception_vector);
  narrow("an interrupt's vector", from.interrupt_vector(), to.interrupt_vector);
  narrow("an interrupt's shadow", from.interrupt_shadow(), to.interrupt_shadow);
  if (from.db_size() != static_cast<int>(to.debug.db.size())) {
    narrow.Refuse(absl::StrCat(from.db_size(), " debug registers"));
  } else {
    absl::c_copy(from.db(), to.debug.db.begin());
  }
  to.debug.dr6 = from.dr6();
  to.debug.dr7 = from.dr7();
  return to;
}

// In the order in which they are to be set.
absl::StatusOr<std::vector<Msr>> ReadMsrs(const VcpuState& state, absl::Span<const uint32_t> known,
                                          VcpuRank rank) {
  std::vector<Msr> msrs;
  std::vector<Msr> last;
  for (const MsrState& saved : state.msrs()) {
    if (!absl::c_linear_search(known, saved.index())) {
      return absl::InvalidArgumentError(
          absl::StrCat("MSR 0x", absl::Hex(saved.index()), " is not part of a vCPU's state here"));
    }
    if (saved.index() == kMsrTsc && rank == VcpuRank::kFirst) {
      msrs.push_back({kMsrTsc, saved.value() + kOtherTime});
    }
    std::vector<Msr>& list = saved.index() == kMsrTscDeadline ? last : msrs;
    list.push_back({saved.index(), saved.value()});
  }
  if (state.msrs_size() > static_cast<int>(known.size())) {
    return absl::InvalidArgumentError("an MSR is there twice");
  }
  msrs.insert(msrs.end(), last.begin(), last.end());
  return msrs;
}

// An MSR that the hypervisor refuses does not matter where it has that value all the same.
absl::Status SetMsrs(absl::Span<const Msr> msrs, Vcpu& vcpu) {
  ASSIGN_OR_RETURN(const std::vector<uint32_t> refused, vcpu.SetMsrs(msrs));
  ASSIGN_OR_RETURN(const std::vector<Msr> values, vcpu.GetMsrs(refused));
  for (const uint32_t index : refused) {
    const auto wanted =
        absl::c_find_if(msrs, [index](const Msr& msr) { return msr.index == index; });
    if (wanted == msrs.end() || absl::c_linear_search(values, *wanted)) continue;
    return absl::FailedPreconditionError(absl::StrCat("MSR 0x", absl::Hex(index), " cannot be 0x",
                                                      absl::Hex(wanted->value), " on this host"));
  }
  return absl::OkStatus();
}

absl::Status SetTscKhz(uint32_t khz, Vcpu& vcpu) {
  ASSIGN_OR_RETURN(const uint32_t here, vcpu.GetTscKhz());
  if (khz == 0 || here == 0 || khz == here) return absl::OkStatus();
  return Annotate(vcpu.SetTscKhz(khz),
                  absl::StrCat("the time stamp counter counts with ", khz,
                               " kHz in the snapshot, with ", here, " kHz on this host"));
}

}  // namespace

absl::StatusOr<VcpuState> SaveVcpu(Vcpu& vcpu, absl::Span<const uint32_t> msrs) {
  VcpuState state;
  ASSIGN_OR_RETURN(const uint32_t tsc_khz, vcpu.GetTscKhz());
  if (tsc_khz != 0) state.set_tsc_khz(tsc_khz);
  // First: reading these may bring about what the registers then show.
  ASSIGN_OR_RETURN(const VcpuEvents events, vcpu.GetEvents());
  Save(events, *state.mutable_events());
  ASSIGN_OR_RETURN(const GeneralRegisters registers, vcpu.GetRegisters());
  Save(registers, *state.mutable_registers());
  ASSIGN_OR_RETURN(const SpecialRegisters special, vcpu.GetSpecialRegisters());
  if ((special.cr4 & kCr4Vmxe) != 0 || (special.efer & kEferSvme) != 0) {
    return absl::FailedPreconditionError(
        "the guest is a hypervisor itself, and what it keeps in the processor cannot be saved");
  }
  Save(special, *state.mutable_special_registers());
  ASSIGN_OR_RETURN(const ExtendedState extended, vcpu.GetExtendedState());
  state.set_xsave(std::string(extended.xsave.begin(), extended.xsave.end()));
  state.set_xcr0(extended.xcr0);
  ASSIGN_OR_RETURN(const LapicState lapic, vcpu.GetLapic());
  state.set_lapic(std::string(lapic.begin(), lapic.end()));
  ASSIGN_OR_RETURN(const std::vector<Msr> values, vcpu.GetMsrs(msrs));
  for (const Msr& msr : values) {
    MsrState& saved = *state.add_msrs();
    saved.set_index(msr.index);
    saved.set_value(msr.value);
  }
  return state;
}

absl::Status RestoreVcpu(const VcpuState& state, absl::Span<const uint32_t> msrs, VcpuRank rank,
                         Vcpu& vcpu) {
  Narrow narrow;
  const SpecialRegisters special = Read(state.special_registers(), narrow);
  const VcpuEvents events = Read(state.events(), narrow);
  LapicState lapic = {};
  narrow("the local APIC", state.lapic(), lapic);
  RETURN_IF_ERROR(narrow.status());
  ASSIGN_OR_RETURN(const std::vector<Msr> values, ReadMsrs(state, msrs, rank));

  RETURN_IF_ERROR(SetTscKhz(state.tsc_khz(), vcpu));
  RETURN_IF_ERROR(Annotate(vcpu.SetSpecialRegisters(special), "special registers"));
  RETURN_IF_ERROR(Annotate(vcpu.SetLapic(lapic), "the local APIC"));
  RETURN_IF_ERROR(Annotate(vcpu.SetRegisters(Read(state.registers())), "registers"));
  const ExtendedState extended = {.xsave = {state.xsave().begin(), state.xsave().end()},
                                  .xcr0 = state.xcr0()};
  RETURN_IF_ERROR(Annotate(vcpu.SetExtendedState(extended), "extended state"));
  RETURN_IF_ERROR(SetMsrs(values, vcpu));
  return Annotate(vcpu.SetEvents(events), "pending events");
}

}  // namespace touchstone
