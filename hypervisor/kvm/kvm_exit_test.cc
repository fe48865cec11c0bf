#include "hypervisor/kvm/kvm_exit.h"

#include <cstring>
#include <variant>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "hypervisor/kvm/kvm_abi.h"

namespace touchstone {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

constexpr size_t kRunSize = 12288;

class KvmExitTest : public ::testing::Test {
 protected:
  kvm_run& run() { return *reinterpret_cast<kvm_run*>(area_); }
  VcpuExit Translate() { return TranslateKvmExit(run(), kRunSize); }

  void SetIo(uint8_t direction, uint8_t size, uint32_t count, uint64_t offset) {
    run().exit_reason = KVM_EXIT_IO;
    run().io.direction = direction;
    run().io.size = size;
    run().io.port = 0x3F8;
    run().io.count = count;
    run().io.data_offset = offset;
  }

  alignas(kvm_run) uint8_t area_[kRunSize] = {};
};

TEST_F(KvmExitTest, IoPointsIntoTheRunArea) {
  SetIo(KVM_EXIT_IO_OUT, 2, 3, 4096);
  std::memcpy(area_ + 4096, "abcdef", 6);

  const VcpuExit exit = Translate();

  const auto& io = std::get<IoExit>(exit);
  EXPECT_EQ(io.port, 0x3F8);
  EXPECT_EQ(io.size, 2);
  EXPECT_TRUE(io.is_write);
  EXPECT_EQ(io.data.data(), area_ + 4096);
  EXPECT_THAT(io.data, ElementsAre('a', 'b', 'c', 'd', 'e', 'f'));
}

TEST_F(KvmExitTest, IoMayEndAtTheEndOfTheRunArea) {
  SetIo(KVM_EXIT_IO_IN, 4, 1, kRunSize - 4);

  const VcpuExit exit = Translate();

  EXPECT_FALSE(std::get<IoExit>(exit).is_write);
  EXPECT_EQ(std::get<IoExit>(exit).data.size(), 4);
}

struct BadIo {
  uint8_t size;
  uint32_t count;
  uint64_t offset;
};

class KvmExitBadIoTest : public KvmExitTest, public ::testing::WithParamInterface<BadIo> {};
INSTANTIATE_TEST_SUITE_P(All, KvmExitBadIoTest,
                         ::testing::Values(BadIo{4, 1, kRunSize - 3}, BadIo{1, 1, kRunSize},
                                           BadIo{1, 1, kRunSize + 1}, BadIo{1, 1, ~uint64_t{0}},
                                           BadIo{4, 0xFFFFFFFF, 4096}, BadIo{8, 1, 4096},
                                           BadIo{3, 1, 4096}, BadIo{0, 1, 4096}));

TEST_P(KvmExitBadIoTest, IoOutsideTheRunAreaIsAnInternalError) {
  SetIo(KVM_EXIT_IO_IN, GetParam().size, GetParam().count, GetParam().offset);

  const VcpuExit exit = Translate();

  EXPECT_EQ(std::get<InternalErrorExit>(exit).suberror, kMalformedExitSuberror);
  EXPECT_THAT(std::get<InternalErrorExit>(exit).details, HasSubstr("KVM_EXIT_IO"));
}

TEST_F(KvmExitTest, MmioHasItsBytes) {
  run().exit_reason = KVM_EXIT_MMIO;
  run().mmio.phys_addr = 0xD0000010;
  run().mmio.len = 4;
  run().mmio.is_write = 1;
  run().mmio.data[3] = 9;

  const VcpuExit exit = Translate();

  const auto& mmio = std::get<MmioExit>(exit);
  EXPECT_EQ(mmio.address, 0xD0000010);
  EXPECT_TRUE(mmio.is_write);
  EXPECT_THAT(mmio.data, ElementsAre(0, 0, 0, 9));
}

TEST_F(KvmExitTest, MmioOfImpossibleLengthIsAnInternalError) {
  run().exit_reason = KVM_EXIT_MMIO;
  run().mmio.len = 9;

  const VcpuExit exit = Translate();

  EXPECT_EQ(std::get<InternalErrorExit>(exit).suberror, kMalformedExitSuberror);
}

TEST_F(KvmExitTest, EmulationFailureShowsTheInstruction) {
  run().exit_reason = KVM_EXIT_INTERNAL_ERROR;
  run().emulation_failure.suberror = KVM_INTERNAL_ERROR_EMULATION;
  run().emulation_failure.ndata = 3;
  run().emulation_failure.flags = KVM_INTERNAL_ERROR_EMULATION_FLAG_INSTRUCTION_BYTES;
  run().emulation_failure.insn_size = 3;
  run().emulation_failure.insn_bytes[0] = 0x0F;
  run().emulation_failure.insn_bytes[1] = 0xC7;
  run().emulation_failure.insn_bytes[2] = 0x08;

  const VcpuExit exit = Translate();

  EXPECT_EQ(std::get<InternalErrorExit>(exit).suberror, KVM_INTERNAL_ERROR_EMULATION);
  EXPECT_EQ(std::get<InternalErrorExit>(exit).details,
            "emulation failed, instruction bytes 0f c7 08");
}

TEST_F(KvmExitTest, ImpossibleInstructionSizeIsCut) {
  run().exit_reason = KVM_EXIT_INTERNAL_ERROR;
  run().emulation_failure.suberror = KVM_INTERNAL_ERROR_EMULATION;
  run().emulation_failure.ndata = 3;
  run().emulation_failure.flags = KVM_INTERNAL_ERROR_EMULATION_FLAG_INSTRUCTION_BYTES;
  run().emulation_failure.insn_size = 255;

  const VcpuExit exit = Translate();

  EXPECT_EQ(std::get<InternalErrorExit>(exit).details.size(),
            std::strlen("emulation failed, instruction bytes") + 15 * 3);
}

TEST_F(KvmExitTest, OtherInternalErrorsShowTheirData) {
  run().exit_reason = KVM_EXIT_INTERNAL_ERROR;
  run().internal.suberror = KVM_INTERNAL_ERROR_DELIVERY_EV;
  run().internal.ndata = 2;
  run().internal.data[0] = 0x80000B0E;
  run().internal.data[1] = 0x31;

  const VcpuExit exit = Translate();

  EXPECT_EQ(std::get<InternalErrorExit>(exit).details,
            "exit while an event was delivered, data 0x80000b0e 0x31");
}

TEST_F(KvmExitTest, PlainExitsAreTranslated) {
  run().exit_reason = KVM_EXIT_HLT;
  EXPECT_TRUE(std::holds_alternative<HaltExit>(Translate()));
  run().exit_reason = KVM_EXIT_SHUTDOWN;
  EXPECT_TRUE(std::holds_alternative<ShutdownExit>(Translate()));
  run().exit_reason = KVM_EXIT_INTR;
  EXPECT_TRUE(std::holds_alternative<InterruptedExit>(Translate()));
  run().exit_reason = 9999;
  EXPECT_EQ(std::get<UnknownExit>(Translate()).reason, 9999);
}

TEST_F(KvmExitTest, DebugExitSaysWhere) {
  run().exit_reason = KVM_EXIT_DEBUG;
  run().debug.arch.pc = 0x1234;
  run().debug.arch.dr6 = 0x4000;
  run().debug.arch.exception = 1;

  const VcpuExit exit = Translate();

  EXPECT_EQ(std::get<DebugExit>(exit).rip, 0x1234);
  EXPECT_EQ(std::get<DebugExit>(exit).dr6, 0x4000);
  EXPECT_EQ(std::get<DebugExit>(exit).exception, 1);
}

TEST_F(KvmExitTest, FailEntryHasItsReason) {
  run().exit_reason = KVM_EXIT_FAIL_ENTRY;
  run().fail_entry.hardware_entry_failure_reason = 0x80000021;
  run().fail_entry.cpu = 3;

  const VcpuExit exit = Translate();

  EXPECT_EQ(std::get<FailEntryExit>(exit).reason, 0x80000021);
  EXPECT_EQ(std::get<FailEntryExit>(exit).cpu, 3);
}

TEST_F(KvmExitTest, BusLockIsTranslated) {
  run().exit_reason = KVM_EXIT_X86_BUS_LOCK;

  EXPECT_TRUE(std::holds_alternative<BusLockExit>(Translate()));
}

TEST_F(KvmExitTest, MsrAccessesAreTranslated) {
  run().exit_reason = KVM_EXIT_X86_WRMSR;
  run().msr.index = 0x774;
  run().msr.data = 0x1234;

  const auto write = std::get<MsrExit>(Translate());
  EXPECT_TRUE(write.is_write);
  EXPECT_EQ(write.index, 0x774u);
  EXPECT_EQ(*write.value, 0x1234u);

  run().exit_reason = KVM_EXIT_X86_RDMSR;
  const auto read = std::get<MsrExit>(Translate());
  EXPECT_FALSE(read.is_write);
  *read.value = 7;
  *read.fault = 1;
  EXPECT_EQ(run().msr.data, 7u);
  EXPECT_EQ(run().msr.error, 1);
}

TEST_F(KvmExitTest, EndOfInterruptIsTranslated) {
  run().exit_reason = KVM_EXIT_IOAPIC_EOI;
  run().eoi.vector = 0x41;
  EXPECT_EQ(std::get<EndOfInterruptExit>(Translate()).vector, 0x41);
}

TEST_F(KvmExitTest, SystemEventsAreTranslated) {
  run().exit_reason = KVM_EXIT_SYSTEM_EVENT;
  run().system_event.type = KVM_SYSTEM_EVENT_SHUTDOWN;
  EXPECT_EQ(std::get<SystemEventExit>(Translate()).kind, SystemEventExit::Kind::kShutdown);
  run().system_event.type = KVM_SYSTEM_EVENT_RESET;
  EXPECT_EQ(std::get<SystemEventExit>(Translate()).kind, SystemEventExit::Kind::kReset);
  run().system_event.type = KVM_SYSTEM_EVENT_CRASH;
  EXPECT_EQ(std::get<SystemEventExit>(Translate()).kind, SystemEventExit::Kind::kCrash);
  run().system_event.type = KVM_SYSTEM_EVENT_SUSPEND;
  EXPECT_EQ(std::get<UnknownExit>(Translate()).reason, KVM_EXIT_SYSTEM_EVENT);
}

}  // namespace
}  // namespace touchstone
