#include "hypervisor/kvm/kvm_state.h"

#include <cstring>
#include <random>

#include "gtest/gtest.h"

namespace touchstone {
namespace {

constexpr KvmCapabilities kAllCapabilities = {
    .smm = true, .exception_payload = true, .triple_fault_event = true};

// Different values in every field of what it makes, the same in every run for a seed.
class Values {
 public:
  explicit Values(uint32_t seed) : generator_(seed) {}

  template <typename T>
  T Next() {
    return static_cast<T>(generator_());
  }
  bool NextBool() { return (generator_() & 1) != 0; }

  Segment NextSegment() {
    return {.base = Next<uint64_t>(),
            .limit = Next<uint32_t>(),
            .selector = Next<uint16_t>(),
            .type = Next<uint8_t>(),
            .present = NextBool(),
            .dpl = Next<uint8_t>(),
            .db = NextBool(),
            .s = NextBool(),
            .l = NextBool(),
            .g = NextBool(),
            .avl = NextBool(),
            .unusable = NextBool()};
  }
  DescriptorTable NextTable() { return {.base = Next<uint64_t>(), .limit = Next<uint16_t>()}; }

 private:
  std::mt19937_64 generator_;
};

// Every test of this suite runs for many sets of values.
class KvmStateRoundTripTest : public ::testing::TestWithParam<uint32_t> {
 protected:
  Values values_{GetParam()};
};
INSTANTIATE_TEST_SUITE_P(Seeds, KvmStateRoundTripTest, ::testing::Range(0u, 64u));

TEST_P(KvmStateRoundTripTest, GeneralRegisters) {
  GeneralRegisters registers;
  for (uint64_t* field :
       {&registers.rax, &registers.rbx, &registers.rcx, &registers.rdx, &registers.rsi,
        &registers.rdi, &registers.rsp, &registers.rbp, &registers.r8, &registers.r9,
        &registers.r10, &registers.r11, &registers.r12, &registers.r13, &registers.r14,
        &registers.r15, &registers.rip, &registers.rflags}) {
    *field = values_.Next<uint64_t>();
  }

  const kvm_regs kvm = ToKvm(registers);

  EXPECT_EQ(FromKvm(kvm), registers);
  EXPECT_EQ(kvm.rsp, registers.rsp);
  EXPECT_EQ(kvm.r15, registers.r15);
  EXPECT_EQ(kvm.rflags, registers.rflags);
}

TEST_P(KvmStateRoundTripTest, GeneralRegistersFromTheAbi) {
  kvm_regs kvm;
  static_assert(sizeof(kvm) == 18 * sizeof(uint64_t));
  uint64_t words[18];
  for (uint64_t& word : words) word = values_.Next<uint64_t>();
  std::memcpy(&kvm, words, sizeof(kvm));

  const kvm_regs back = ToKvm(FromKvm(kvm));

  EXPECT_EQ(std::memcmp(&back, &kvm, sizeof(kvm)), 0);
}

TEST_P(KvmStateRoundTripTest, SpecialRegisters) {
  SpecialRegisters registers;
  for (Segment* segment : {&registers.cs, &registers.ds, &registers.es, &registers.fs,
                           &registers.gs, &registers.ss, &registers.tr, &registers.ldt}) {
    *segment = values_.NextSegment();
  }
  registers.gdt = values_.NextTable();
  registers.idt = values_.NextTable();
  for (uint64_t* field : {&registers.cr0, &registers.cr2, &registers.cr3, &registers.cr4,
                          &registers.cr8, &registers.efer, &registers.apic_base}) {
    *field = values_.Next<uint64_t>();
  }
  for (uint64_t& word : registers.interrupt_bitmap) word = values_.Next<uint64_t>();

  const kvm_sregs kvm = ToKvm(registers);

  EXPECT_EQ(FromKvm(kvm), registers);
  EXPECT_EQ(kvm.tr.selector, registers.tr.selector);
  EXPECT_EQ(kvm.ss.base, registers.ss.base);
  EXPECT_EQ(kvm.idt.limit, registers.idt.limit);
  EXPECT_EQ(kvm.cr3, registers.cr3);
}

TEST_P(KvmStateRoundTripTest, DebugRegisters) {
  DebugRegisters registers;
  for (uint64_t& address : registers.db) address = values_.Next<uint64_t>();
  registers.dr6 = values_.Next<uint64_t>();
  registers.dr7 = values_.Next<uint64_t>();

  EXPECT_EQ(FromKvm(ToKvm(registers)), registers);
}

TEST_P(KvmStateRoundTripTest, CpuidEntry) {
  const touchstone::CpuidEntry entry = {.function = values_.Next<uint32_t>(),
                                        .index = values_.Next<uint32_t>(),
                                        .significant_index = values_.NextBool(),
                                        .eax = values_.Next<uint32_t>(),
                                        .ebx = values_.Next<uint32_t>(),
                                        .ecx = values_.Next<uint32_t>(),
                                        .edx = values_.Next<uint32_t>()};

  EXPECT_EQ(FromKvm(ToKvm(entry)), entry);
}

TEST_P(KvmStateRoundTripTest, Events) {
  const VcpuEvents events = {.exception_injected = values_.NextBool(),
                             .exception_pending = values_.NextBool(),
                             .exception_vector = values_.Next<uint8_t>(),
                             .exception_has_error_code = values_.NextBool(),
                             .exception_error_code = values_.Next<uint32_t>(),
                             .exception_payload = values_.Next<uint64_t>(),
                             .exception_has_payload = values_.NextBool(),
                             .interrupt_injected = values_.NextBool(),
                             .interrupt_vector = values_.Next<uint8_t>(),
                             .interrupt_soft = values_.NextBool(),
                             .interrupt_shadow = values_.Next<uint8_t>(),
                             .nmi_injected = values_.NextBool(),
                             .nmi_pending = values_.NextBool(),
                             .nmi_masked = values_.NextBool(),
                             .sipi_vector = values_.Next<uint32_t>(),
                             .smm = values_.NextBool(),
                             .smm_pending = values_.NextBool(),
                             .smm_inside_nmi = values_.NextBool(),
                             .latched_init = values_.NextBool(),
                             .triple_fault_pending = values_.NextBool()};

  VcpuEvents back;
  FromKvmEvents(ToKvmEvents(events, kAllCapabilities), back);

  EXPECT_EQ(back, events);
}

TEST(KvmStateTest, EventsThatTheKernelDoesNotKnowAreLeftOut) {
  const VcpuEvents events = {.exception_pending = true,
                             .exception_has_payload = true,
                             .nmi_pending = true,
                             .smm = true,
                             .triple_fault_pending = true};

  const kvm_vcpu_events kvm = ToKvmEvents(events, KvmCapabilities{});

  EXPECT_EQ(kvm.flags, KVM_VCPUEVENT_VALID_NMI_PENDING | KVM_VCPUEVENT_VALID_SIPI_VECTOR |
                           KVM_VCPUEVENT_VALID_SHADOW);
  EXPECT_EQ(kvm.nmi.pending, 1);
  EXPECT_EQ(kvm.exception.pending, 0);
  EXPECT_EQ(kvm.smi.smm, 0);
  EXPECT_EQ(kvm.triple_fault.pending, 0);
}

TEST(KvmStateTest, EventsThatAreNotMarkedValidAreIgnored) {
  kvm_vcpu_events kvm = {};
  kvm.exception.pending = 1;
  kvm.exception_payload = 5;
  kvm.smi.smm = 1;
  kvm.triple_fault.pending = 1;

  VcpuEvents events;
  FromKvmEvents(kvm, events);

  EXPECT_EQ(events, VcpuEvents{});
}

class RunStateTest : public ::testing::TestWithParam<RunState> {};
INSTANTIATE_TEST_SUITE_P(All, RunStateTest,
                         ::testing::Values(RunState::kRunnable, RunState::kUninitialized,
                                           RunState::kInitReceived, RunState::kHalted,
                                           RunState::kSipiReceived));

TEST_P(RunStateTest, RoundTrips) {
  const absl::StatusOr<RunState> back = FromKvm(ToKvm(GetParam()));

  ASSERT_TRUE(back.ok());
  EXPECT_EQ(*back, GetParam());
}

TEST(KvmStateTest, UnknownRunStateIsAnError) {
  EXPECT_TRUE(absl::IsInternal(FromKvm(kvm_mp_state{77}).status()));
}

TEST(KvmStateTest, NoDebugControlSwitchesDebuggingOff) {
  const absl::StatusOr<kvm_guest_debug> debug = ToKvm(DebugControl{});

  ASSERT_TRUE(debug.ok());
  EXPECT_EQ(debug->control, 0);
  EXPECT_EQ(debug->arch.debugreg[7], 0);
}

TEST(KvmStateTest, BreakpointsFillDr7) {
  DebugControl control;
  control.breakpoints[0] = {.address = 0x1000};
  control.breakpoints[3] = {
      .address = 0x2000, .kind = DebugControl::Breakpoint::Kind::kAccess, .size = 8};

  const absl::StatusOr<kvm_guest_debug> debug = ToKvm(control);

  ASSERT_TRUE(debug.ok());
  EXPECT_EQ(debug->control, uint32_t{KVM_GUESTDBG_ENABLE | KVM_GUESTDBG_USE_HW_BP});
  EXPECT_EQ(debug->arch.debugreg[0], 0x1000);
  EXPECT_EQ(debug->arch.debugreg[3], 0x2000);
  // SDM vol. 3, 17.2.4: G0, G3, LE, GE, bit 10; R/W3 11, LEN3 10.
  EXPECT_EQ(debug->arch.debugreg[7], 0xB0000782);
}

TEST(KvmStateTest, StepAndSoftwareBreakpointsAreControlBits) {
  const absl::StatusOr<kvm_guest_debug> debug =
      ToKvm(DebugControl{.single_step = true, .software_breakpoints = true});

  ASSERT_TRUE(debug.ok());
  EXPECT_EQ(debug->control,
            uint32_t{KVM_GUESTDBG_ENABLE | KVM_GUESTDBG_SINGLESTEP | KVM_GUESTDBG_USE_SW_BP});
}

TEST(KvmStateTest, BreakpointOfImpossibleSizeIsRefused) {
  DebugControl wide_execution;
  wide_execution.breakpoints[1] = {.size = 4};
  DebugControl odd_watch;
  odd_watch.breakpoints[1] = {.kind = DebugControl::Breakpoint::Kind::kWrite, .size = 3};

  EXPECT_TRUE(absl::IsInvalidArgument(ToKvm(wide_execution).status()));
  EXPECT_TRUE(absl::IsInvalidArgument(ToKvm(odd_watch).status()));
}

}  // namespace
}  // namespace touchstone
