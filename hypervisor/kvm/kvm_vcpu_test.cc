#include "hypervisor/kvm/kvm_vcpu.h"

#include <pthread.h>
#include <signal.h>

#include <algorithm>
#include <chrono>
#include <optional>
#include <semaphore>
#include <string>
#include <thread>
#include <variant>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "hypervisor/kvm/test_guest.h"

GUEST_CODE(kOutWidths, "16", R"(
    mov $0x44434241, %eax
    mov $0x3F8, %dx
    out %al, %dx
    out %ax, %dx
    out %eax, %dx
    hlt
)");
GUEST_CODE(kInWidths, "16", R"(
    mov $0x3F8, %dx
    in %dx, %al
    mov %al, %bl
    in %dx, %ax
    mov %ax, %cx
    in %dx, %eax
    hlt
)");
GUEST_CODE(kOutString, "16", R"(
    mov $0x9000, %si
    mov $5, %cx
    mov $0x3F8, %dx
    cld
    rep outsb
    hlt
)");
GUEST_CODE(kInString, "16", R"(
    mov $0x9000, %di
    mov $4, %cx
    mov $0x1F0, %dx
    cld
    rep insw
    hlt
)");
GUEST_CODE(kMmioWrites, "64", R"(
    mov $0xD0000000, %edi
    mov $0x0807060504030201, %rax
    movb %al, (%rdi)
    movw %ax, 2(%rdi)
    movl %eax, 4(%rdi)
    movq %rax, 8(%rdi)
    hlt
)");
GUEST_CODE(kMmioReads, "64", R"(
    mov $0xD0000000, %edi
    xor %eax, %eax
    xor %ebx, %ebx
    xor %ecx, %ecx
    movb (%rdi), %al
    movw 2(%rdi), %bx
    movl 4(%rdi), %ecx
    movq 8(%rdi), %rdx
    hlt
)");
GUEST_CODE(kSpin, "16", "1: jmp 1b");
GUEST_CODE(kHaltForever, "64", R"(
    1: hlt
    jmp 1b
)");
GUEST_CODE(kInThenSpin, "16", R"(
    in $0x60, %al
    1: jmp 1b
)");
// An exception with an empty descriptor table: a triple fault.
GUEST_CODE(kTripleFault, "64", "ud2");
GUEST_CODE(kThreeNops, "64", R"(
    nop
    nop
    nop
    hlt
)");
GUEST_CODE(kBreakpoint, "64", R"(
    nop
    int3
    hlt
)");

namespace touchstone {
namespace {

using ::testing::AnyOf;
using ::testing::ElementsAre;

constexpr uint32_t kMsrApicBase = 0x1B;
constexpr uint32_t kMsrSysenterCs = 0x174;
// All 64 bits are kept, unlike those of the SYSENTER registers of AMD processors.
constexpr uint32_t kMsrKernelGsBase = 0xC0000102;
// In a range that no processor has (SDM vol. 4, 2.1).
constexpr uint32_t kMsrAbsent = 0x40000F00;

class KvmVcpuTest : public ::testing::Test {
 protected:
  void SetUp() override {
    if (NoKvm().has_value()) GTEST_SKIP() << *NoKvm();
    absl::StatusOr<TestGuest> guest = TestGuest::Create({});
    ASSERT_TRUE(guest.ok()) << guest.status();
    guest_.emplace(*std::move(guest));
  }

  TestGuest& guest() { return *guest_; }
  Vcpu& vcpu() { return guest_->vcpu(); }
  VcpuExit Run() { return guest().RunUninterrupted().value_or(UnknownExit{~0u}); }

  std::optional<TestGuest> guest_;
};

TEST_F(KvmVcpuTest, OutOfEachWidthExitsWithItsBytes) {
  ASSERT_TRUE(guest().StartRealMode(GuestCode(kOutWidths)).ok());

  VcpuExit exit = Run();
  EXPECT_EQ(std::get<IoExit>(exit).port, 0x3F8);
  EXPECT_TRUE(std::get<IoExit>(exit).is_write);
  EXPECT_THAT(std::get<IoExit>(exit).data, ElementsAre(0x41));
  exit = Run();
  EXPECT_THAT(std::get<IoExit>(exit).data, ElementsAre(0x41, 0x42));
  exit = Run();
  EXPECT_EQ(std::get<IoExit>(exit).size, 4);
  EXPECT_THAT(std::get<IoExit>(exit).data, ElementsAre(0x41, 0x42, 0x43, 0x44));
  exit = Run();
  EXPECT_TRUE(std::holds_alternative<HaltExit>(exit));
}

TEST_F(KvmVcpuTest, InOfEachWidthTakesItsAnswer) {
  ASSERT_TRUE(guest().StartRealMode(GuestCode(kInWidths)).ok());

  for (const size_t width : {1, 2, 4}) {
    const VcpuExit exit = Run();
    ASSERT_TRUE(std::holds_alternative<IoExit>(exit)) << exit.index();
    ASSERT_EQ(std::get<IoExit>(exit).data.size(), width);
    EXPECT_FALSE(std::get<IoExit>(exit).is_write);
    for (size_t i = 0; i < width; ++i) {
      std::get<IoExit>(exit).data[i] = static_cast<uint8_t>(0x10 * width + i);
    }
  }
  ASSERT_TRUE(std::holds_alternative<HaltExit>(Run()));

  const GeneralRegisters registers = *vcpu().GetRegisters();
  EXPECT_EQ(registers.rbx & 0xFF, 0x10);
  EXPECT_EQ(registers.rcx & 0xFFFF, 0x2120);
  EXPECT_EQ(registers.rax & 0xFFFFFFFF, 0x43424140);
}

TEST_F(KvmVcpuTest, CountsWhatItsGuestExitsFor) {
  ASSERT_TRUE(guest().StartRealMode(GuestCode(kOutWidths)).ok());
  for (int i = 0; i < 4; ++i) Run();

  const auto counters = vcpu().Counters();

  ASSERT_TRUE(counters.ok()) << counters.status();
  const auto exits = std::find_if(counters->begin(), counters->end(),
                                  [](const VcpuCounter& c) { return c.name == "exits"; });
  ASSERT_NE(exits, counters->end()) << "KVM of Linux before 5.14?";
  EXPECT_GE(exits->value, 4U);
}

TEST_F(KvmVcpuTest, StringOutGivesAllItsBytes) {
  ASSERT_TRUE(guest().StartRealMode(GuestCode(kOutString)).ok());
  const std::string text = "hello";
  std::copy(text.begin(), text.end(), guest().memory().begin() + TestGuest::kFree);

  std::string seen;
  VcpuExit exit = Run();
  while (const auto* io = std::get_if<IoExit>(&exit)) {
    seen.append(io->data.begin(), io->data.end());
    exit = Run();
  }

  EXPECT_EQ(seen, text);
  EXPECT_TRUE(std::holds_alternative<HaltExit>(exit));
}

TEST_F(KvmVcpuTest, StringInStoresAllItsAnswers) {
  ASSERT_TRUE(guest().StartRealMode(GuestCode(kInString)).ok());

  uint8_t next = 1;
  VcpuExit exit = Run();
  while (const auto* io = std::get_if<IoExit>(&exit)) {
    for (uint8_t& byte : io->data) byte = next++;
    exit = Run();
  }

  EXPECT_TRUE(std::holds_alternative<HaltExit>(exit));
  EXPECT_THAT(guest().memory().subspan(TestGuest::kFree, 9),
              ElementsAre(1, 2, 3, 4, 5, 6, 7, 8, 0));
}

TEST_F(KvmVcpuTest, MmioWriteOfEachWidthExitsWithItsBytes) {
  ASSERT_TRUE(guest().StartLongMode(GuestCode(kMmioWrites)).ok());

  VcpuExit exit = Run();
  EXPECT_EQ(std::get<MmioExit>(exit).address, 0xD0000000);
  EXPECT_TRUE(std::get<MmioExit>(exit).is_write);
  EXPECT_THAT(std::get<MmioExit>(exit).data, ElementsAre(1));
  exit = Run();
  EXPECT_EQ(std::get<MmioExit>(exit).address, 0xD0000002);
  EXPECT_THAT(std::get<MmioExit>(exit).data, ElementsAre(1, 2));
  exit = Run();
  EXPECT_THAT(std::get<MmioExit>(exit).data, ElementsAre(1, 2, 3, 4));
  exit = Run();
  EXPECT_EQ(std::get<MmioExit>(exit).address, 0xD0000008);
  EXPECT_THAT(std::get<MmioExit>(exit).data, ElementsAre(1, 2, 3, 4, 5, 6, 7, 8));
  EXPECT_TRUE(std::holds_alternative<HaltExit>(Run()));
}

TEST_F(KvmVcpuTest, MmioReadOfEachWidthTakesItsAnswer) {
  ASSERT_TRUE(guest().StartLongMode(GuestCode(kMmioReads)).ok());

  for (const size_t width : {1, 2, 4, 8}) {
    const VcpuExit exit = Run();
    ASSERT_TRUE(std::holds_alternative<MmioExit>(exit)) << exit.index();
    ASSERT_EQ(std::get<MmioExit>(exit).data.size(), width);
    EXPECT_FALSE(std::get<MmioExit>(exit).is_write);
    for (size_t i = 0; i < width; ++i) {
      std::get<MmioExit>(exit).data[i] = static_cast<uint8_t>(0x10 * width + i);
    }
  }
  ASSERT_TRUE(std::holds_alternative<HaltExit>(Run()));

  const GeneralRegisters registers = *vcpu().GetRegisters();
  EXPECT_EQ(registers.rax, 0x10);
  EXPECT_EQ(registers.rbx, 0x2120);
  EXPECT_EQ(registers.rcx, 0x43424140);
  EXPECT_EQ(registers.rdx, 0x8786858483828180);
}

TEST_F(KvmVcpuTest, TripleFaultIsAShutdown) {
  ASSERT_TRUE(guest().StartLongMode(GuestCode(kTripleFault)).ok());

  EXPECT_TRUE(std::holds_alternative<ShutdownExit>(Run()));
}

TEST_F(KvmVcpuTest, KickBeforeRunInterruptsOnce) {
  ASSERT_TRUE(guest().StartRealMode(GuestCode(kOutWidths)).ok());
  vcpu().Kick();
  vcpu().Kick();

  EXPECT_TRUE(std::holds_alternative<InterruptedExit>(*vcpu().Run()));

  EXPECT_TRUE(std::holds_alternative<IoExit>(*vcpu().Run()));
}

TEST_F(KvmVcpuTest, KickCompletesTheReadFirst) {
  ASSERT_TRUE(guest().StartRealMode(GuestCode(kInThenSpin)).ok());
  const VcpuExit exit = Run();
  std::get<IoExit>(exit).data[0] = 0x5A;
  vcpu().Kick();

  EXPECT_TRUE(std::holds_alternative<InterruptedExit>(*vcpu().Run()));

  EXPECT_EQ(vcpu().GetRegisters()->rax & 0xFF, 0x5A);
  EXPECT_EQ(vcpu().GetRegisters()->rip, TestGuest::kCode + 2);
}

// Runs `vcpu` on another thread and kicks it `kicks` times; returns how many runs were interrupted.
// Each kick waits for the one before it, so one that gets lost hangs the test.
int KickOneByOne(Vcpu& vcpu, int kicks) {
  std::counting_semaphore<> returned(0);
  int interrupted = 0;
  std::thread runner([&] {
    for (int run = 0; run < kicks; ++run) {
      const VcpuExit exit = vcpu.Run().value_or(UnknownExit{0});
      if (std::holds_alternative<InterruptedExit>(exit)) ++interrupted;
      returned.release();
    }
  });
  for (int kick = 0; kick < kicks; ++kick) {
    vcpu.Kick();
    returned.acquire();
  }
  runner.join();
  return interrupted;
}

TEST_F(KvmVcpuTest, EveryKickOfASpinningGuestInterrupts) {
  ASSERT_TRUE(guest().StartRealMode(GuestCode(kSpin)).ok());

  EXPECT_EQ(KickOneByOne(vcpu(), 200), 200);
}

TEST_F(KvmVcpuTest, WhatWasWrittenBeforeAKickIsSeenAfterIt) {
  ASSERT_TRUE(guest().StartRealMode(GuestCode(kSpin)).ok());
  int message = 0;
  int seen = 0;
  std::thread runner([&] {
    while (!std::holds_alternative<InterruptedExit>(vcpu().Run().value_or(UnknownExit{0}))) {
    }
    seen = message;
  });
  message = 42;
  vcpu().Kick();
  runner.join();

  EXPECT_EQ(seen, 42);
}

TEST_F(KvmVcpuTest, ThreadThatBlocksTheKickSignalIsInterrupted) {
  ASSERT_TRUE(guest().StartRealMode(GuestCode(kSpin)).ok());
  absl::StatusOr<VcpuExit> exit = absl::InternalError("Run has not returned");
  std::thread runner([&] {
    sigset_t all;
    sigfillset(&all);
    pthread_sigmask(SIG_BLOCK, &all, nullptr);
    exit = vcpu().Run();
  });
  std::this_thread::sleep_for(std::chrono::milliseconds(20));
  vcpu().Kick();
  runner.join();

  ASSERT_TRUE(exit.ok()) << exit.status();
  EXPECT_TRUE(std::holds_alternative<InterruptedExit>(*exit));
}

TEST_F(KvmVcpuTest, GeneralRegistersRoundTrip) {
  const GeneralRegisters registers = {.rax = 1,
                                      .rbx = 2,
                                      .rcx = 3,
                                      .rdx = 4,
                                      .rsi = 5,
                                      .rdi = 6,
                                      .rsp = 7,
                                      .rbp = 8,
                                      .r8 = 9,
                                      .r9 = 10,
                                      .r10 = 11,
                                      .r11 = 12,
                                      .r12 = 13,
                                      .r13 = 14,
                                      .r14 = 15,
                                      .r15 = uint64_t{1} << 63,
                                      .rip = 0x1234,
                                      .rflags = 0x202};

  ASSERT_TRUE(vcpu().SetRegisters(registers).ok());

  EXPECT_EQ(*vcpu().GetRegisters(), registers);
}

TEST_F(KvmVcpuTest, RegistersSetAfterAnExitAreThoseOfTheGuest) {
  ASSERT_TRUE(guest().StartRealMode(GuestCode(kOutWidths)).ok());
  ASSERT_TRUE(std::holds_alternative<IoExit>(Run()));
  vcpu().Kick();
  ASSERT_TRUE(std::holds_alternative<InterruptedExit>(*vcpu().Run()));
  GeneralRegisters registers = *vcpu().GetRegisters();
  registers.rax = 0x7877;
  ASSERT_TRUE(vcpu().SetRegisters(registers).ok());

  EXPECT_EQ(*vcpu().GetRegisters(), registers);
  const VcpuExit exit = Run();

  EXPECT_THAT(std::get<IoExit>(exit).data, ElementsAre(0x77, 0x78));
}

TEST_F(KvmVcpuTest, SpecialRegistersRoundTrip) {
  ASSERT_TRUE(guest().StartLongMode(GuestCode(kThreeNops)).ok());
  SpecialRegisters registers = *vcpu().GetSpecialRegisters();
  registers.fs.base = 0x123456789000;
  registers.gs.base = 0xFFFF800000001000;
  registers.cr2 = 0x1000;
  registers.gdt.base = 0x4000;
  registers.idt.limit = 0x7F;

  ASSERT_TRUE(vcpu().SetSpecialRegisters(registers).ok());

  EXPECT_EQ(*vcpu().GetSpecialRegisters(), registers);
}

TEST_F(KvmVcpuTest, MsrsRoundTripAndTheRefusedAreTold) {
  const absl::StatusOr<std::vector<uint32_t>> refused = vcpu().SetMsrs(
      {{kMsrSysenterCs, 0x10}, {kMsrAbsent, 1}, {kMsrKernelGsBase, 0xFFFF800000001234}});
  ASSERT_TRUE(refused.ok()) << refused.status();
  EXPECT_THAT(*refused, ElementsAre(kMsrAbsent));

  const absl::StatusOr<std::vector<Msr>> msrs =
      vcpu().GetMsrs({kMsrSysenterCs, kMsrAbsent, kMsrKernelGsBase});

  ASSERT_TRUE(msrs.ok()) << msrs.status();
  EXPECT_THAT(*msrs,
              ElementsAre(Msr{kMsrSysenterCs, 0x10}, Msr{kMsrKernelGsBase, 0xFFFF800000001234}));
}

TEST_F(KvmVcpuTest, ManyMsrsAreReadInPieces) {
  const std::vector<uint32_t> indices(700, kMsrApicBase);

  const absl::StatusOr<std::vector<Msr>> msrs = vcpu().GetMsrs(indices);

  ASSERT_TRUE(msrs.ok()) << msrs.status();
  EXPECT_EQ(msrs->size(), indices.size());
}

TEST_F(KvmVcpuTest, StateMsrsCanBeWrittenBack) {
  const std::vector<uint32_t> indices = *guest().hypervisor().StateMsrs();
  const absl::StatusOr<std::vector<Msr>> before = vcpu().GetMsrs(indices);
  ASSERT_TRUE(before.ok()) << before.status();
  EXPECT_GT(before->size(), 10);

  // A host may list an MSR that it then refuses, so which ones is not ours to say.
  EXPECT_TRUE(vcpu().SetMsrs(*before).ok());
}

TEST_F(KvmVcpuTest, ExtendedStateRoundTrips) {
  ExtendedState state = *vcpu().GetExtendedState();
  ASSERT_GE(state.xsave.size(), 4096);
  // SDM vol. 1, 10.5.1 and 13.4.2: XMM0 is at offset 160, bit 1 of XSTATE_BV at 512 says SSE.
  constexpr size_t kXmm0 = 160;
  constexpr size_t kXstateBv = 512;
  state.xsave[kXmm0] = 0xAB;
  state.xsave[kXstateBv] |= 0x3;
  state.xcr0 |= 0x3;

  const absl::Status status = vcpu().SetExtendedState(state);

  ASSERT_TRUE(status.ok()) << status;
  const ExtendedState back = *vcpu().GetExtendedState();
  EXPECT_EQ(back.xsave[kXmm0], 0xAB);
  EXPECT_EQ(back.xcr0, state.xcr0);
  EXPECT_EQ(back.xsave.size(), state.xsave.size());
}

TEST_F(KvmVcpuTest, ExtendedStateOfImpossibleSizeIsRefused) {
  EXPECT_TRUE(
      absl::IsInvalidArgument(vcpu().SetExtendedState({.xsave = std::vector<uint8_t>(100)})));
  EXPECT_TRUE(
      absl::IsInvalidArgument(vcpu().SetExtendedState({.xsave = std::vector<uint8_t>(1 << 20)})));
}

TEST_F(KvmVcpuTest, EventsRoundTrip) {
  VcpuEvents events = *vcpu().GetEvents();
  events.nmi_masked = true;
  events.debug.db[2] = 0x1000;
  ASSERT_TRUE(vcpu().SetEvents(events).ok());

  EXPECT_EQ(*vcpu().GetEvents(), events);
}

TEST_F(KvmVcpuTest, ImpossibleEventsAreAnError) {
  VcpuEvents events;
  events.exception_injected = true;
  events.exception_vector = 200;

  EXPECT_FALSE(vcpu().SetEvents(events).ok());
}

TEST_F(KvmVcpuTest, SingleStepStopsAfterEveryInstruction) {
  ASSERT_TRUE(guest().StartLongMode(GuestCode(kThreeNops)).ok());
  ASSERT_TRUE(vcpu().SetDebug({.single_step = true}).ok());

  const VcpuExit first = Run();
  const VcpuExit second = Run();

  EXPECT_EQ(std::get<DebugExit>(first).rip, TestGuest::kCode + 1);
  EXPECT_EQ(std::get<DebugExit>(second).rip, TestGuest::kCode + 2);
  ASSERT_TRUE(vcpu().SetDebug({}).ok());
  EXPECT_TRUE(std::holds_alternative<HaltExit>(Run()));
}

// The ways out of a breakpoint that KVM has: a stop there on hardware; on a KVM that emulates
// kernel code, which has no INT3, a complaint about it; and nested in an emulator that has neither
// breakpoint in nested guests, the end of the code or the fault of the empty descriptor table.
enum class Outcome { kStopped, kNotEmulated, kNotThere, kOther };

Outcome OutcomeOf(const VcpuExit& exit, uint64_t rip) {
  if (const auto* debug = std::get_if<DebugExit>(&exit)) {
    return debug->rip == rip ? Outcome::kStopped : Outcome::kOther;
  }
  if (const auto* error = std::get_if<InternalErrorExit>(&exit)) {
    return error->details.find("instruction bytes cc") != std::string::npos ? Outcome::kNotEmulated
                                                                            : Outcome::kOther;
  }
  return std::holds_alternative<HaltExit>(exit) || std::holds_alternative<ShutdownExit>(exit)
             ? Outcome::kNotThere
             : Outcome::kOther;
}

TEST_F(KvmVcpuTest, HardwareBreakpointStopsBeforeItsInstruction) {
  ASSERT_TRUE(guest().StartLongMode(GuestCode(kThreeNops)).ok());
  DebugControl control;
  control.breakpoints[1] = {.address = TestGuest::kCode + 2};
  ASSERT_TRUE(vcpu().SetDebug(control).ok());

  const VcpuExit exit = Run();

  EXPECT_THAT(OutcomeOf(exit, TestGuest::kCode + 2), AnyOf(Outcome::kStopped, Outcome::kNotThere));
}

TEST_F(KvmVcpuTest, SoftwareBreakpointStops) {
  ASSERT_TRUE(guest().StartLongMode(GuestCode(kBreakpoint)).ok());
  ASSERT_TRUE(vcpu().SetDebug({.software_breakpoints = true}).ok());

  const VcpuExit exit = Run();

  EXPECT_THAT(OutcomeOf(exit, TestGuest::kCode + 1),
              AnyOf(Outcome::kStopped, Outcome::kNotEmulated, Outcome::kNotThere));
}

class KvmVcpuWithIrqChipTest : public ::testing::Test {
 protected:
  void SetUp() override {
    if (NoKvm().has_value()) GTEST_SKIP() << *NoKvm();
    absl::StatusOr<TestGuest> guest = TestGuest::Create({.irq_chip = true});
    ASSERT_TRUE(guest.ok()) << guest.status();
    guest_.emplace(*std::move(guest));
  }

  Vcpu& vcpu() { return guest_->vcpu(); }

  std::optional<TestGuest> guest_;
};

TEST_F(KvmVcpuWithIrqChipTest, HaltedVcpuIsKicked) {
  ASSERT_TRUE(guest_->StartLongMode(GuestCode(kThreeNops)).ok());
  absl::StatusOr<VcpuExit> exit = absl::InternalError("Run has not returned");
  std::thread runner([&] { exit = vcpu().Run(); });
  std::this_thread::sleep_for(std::chrono::milliseconds(20));
  vcpu().Kick();
  runner.join();

  ASSERT_TRUE(exit.ok()) << exit.status();
  EXPECT_TRUE(std::holds_alternative<InterruptedExit>(*exit));
}

TEST_F(KvmVcpuWithIrqChipTest, EveryKickOfAHaltedGuestInterrupts) {
  ASSERT_TRUE(guest_->StartLongMode(GuestCode(kHaltForever)).ok());

  EXPECT_EQ(KickOneByOne(vcpu(), 1000), 1000);
}

TEST_F(KvmVcpuWithIrqChipTest, VcpuThatWaitsForStartUpIsKicked) {
  VcpuEvents events = *vcpu().GetEvents();
  events.run_state = RunState::kUninitialized;
  ASSERT_TRUE(vcpu().SetEvents(events).ok());
  absl::StatusOr<VcpuExit> exit = absl::InternalError("Run has not returned");
  std::thread runner([&] { exit = vcpu().Run(); });
  vcpu().Kick();
  runner.join();

  ASSERT_TRUE(exit.ok()) << exit.status();
  EXPECT_TRUE(std::holds_alternative<InterruptedExit>(*exit));
  EXPECT_EQ(vcpu().GetEvents()->run_state, RunState::kUninitialized);
}

TEST_F(KvmVcpuWithIrqChipTest, LapicRoundTrips) {
  constexpr size_t kSpuriousVector = 0xF0;
  constexpr size_t kLint0 = 0x350;
  LapicState lapic = *vcpu().GetLapic();
  lapic[kSpuriousVector] = 0xFF;
  lapic[kSpuriousVector + 1] = 0x01;
  lapic[kLint0 + 1] = 0x07;

  ASSERT_TRUE(vcpu().SetLapic(lapic).ok());

  const LapicState back = *vcpu().GetLapic();
  EXPECT_EQ(back[kSpuriousVector], 0xFF);
  EXPECT_EQ(back[kSpuriousVector + 1], 0x01);
  EXPECT_EQ(back[kLint0 + 1], 0x07);
}

TEST_F(KvmVcpuWithIrqChipTest, RunStatesRoundTrip) {
  VcpuEvents events = *vcpu().GetEvents();
  for (const RunState state : {RunState::kHalted, RunState::kUninitialized, RunState::kRunnable}) {
    events.run_state = state;
    ASSERT_TRUE(vcpu().SetEvents(events).ok());
    EXPECT_EQ(vcpu().GetEvents()->run_state, state);
  }
}

}  // namespace
}  // namespace touchstone
