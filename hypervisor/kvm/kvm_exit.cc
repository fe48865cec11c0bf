#include "hypervisor/kvm/kvm_exit.h"

#include <algorithm>
#include <cstdint>
#include <string>

#include "absl/strings/str_cat.h"

namespace touchstone {
namespace {

// emulation_failure's ndata counts 64-bit words: the flags and two of instruction bytes (api.rst
// 5).
constexpr uint32_t kInstructionBytesWords = 3;

VcpuExit TranslateIo(kvm_run& run, size_t run_size) {
  const auto& io = run.io;
  const uint64_t length = uint64_t{io.size} * io.count;
  const bool size_ok = io.size == 1 || io.size == 2 || io.size == 4;
  if (!size_ok || io.data_offset > run_size || length > run_size - io.data_offset) {
    return InternalErrorExit{
        kMalformedExitSuberror,
        absl::StrCat("KVM_EXIT_IO of ", io.count, " times ", io.size, " bytes at offset ",
                     static_cast<uint64_t>(io.data_offset), " of a run area of ", run_size)};
  }
  auto* data = reinterpret_cast<uint8_t*>(&run) + io.data_offset;
  return IoExit{.port = io.port,
                .size = io.size,
                .is_write = io.direction == KVM_EXIT_IO_OUT,
                .data = absl::MakeSpan(data, length)};
}

VcpuExit TranslateMmio(kvm_run& run) {
  auto& mmio = run.mmio;
  if (mmio.len == 0 || mmio.len > sizeof(mmio.data)) {
    return InternalErrorExit{kMalformedExitSuberror,
                             absl::StrCat("KVM_EXIT_MMIO of ", mmio.len, " bytes")};
  }
  return MmioExit{.address = mmio.phys_addr,
                  .is_write = mmio.is_write != 0,
                  .data = absl::MakeSpan(mmio.data, mmio.len)};
}

const char* SuberrorName(uint32_t suberror) {
  switch (suberror) {
    case KVM_INTERNAL_ERROR_EMULATION:
      return "emulation failed";
    case KVM_INTERNAL_ERROR_SIMUL_EX:
      return "simultaneous exceptions";
    case KVM_INTERNAL_ERROR_DELIVERY_EV:
      return "exit while an event was delivered";
    case KVM_INTERNAL_ERROR_UNEXPECTED_EXIT_REASON:
      return "unexpected exit reason";
    default:
      return "unknown internal error";
  }
}

VcpuExit TranslateInternalError(const kvm_run& run) {
  std::string details = SuberrorName(run.internal.suberror);
  const auto& failure = run.emulation_failure;
  if (run.internal.suberror == KVM_INTERNAL_ERROR_EMULATION &&
      failure.ndata >= kInstructionBytesWords &&
      (failure.flags & KVM_INTERNAL_ERROR_EMULATION_FLAG_INSTRUCTION_BYTES) != 0) {
    const size_t count = std::min<size_t>(failure.insn_size, sizeof(failure.insn_bytes));
    absl::StrAppend(&details, ", instruction bytes");
    for (size_t i = 0; i < count; ++i) {
      absl::StrAppend(&details, " ", absl::Hex(failure.insn_bytes[i], absl::kZeroPad2));
    }
    return InternalErrorExit{run.internal.suberror, std::move(details)};
  }
  const size_t words = std::min<size_t>(run.internal.ndata, std::size(run.internal.data));
  if (words > 0) absl::StrAppend(&details, ", data");
  for (size_t i = 0; i < words; ++i) {
    absl::StrAppend(&details, " 0x", absl::Hex(run.internal.data[i]));
  }
  return InternalErrorExit{run.internal.suberror, std::move(details)};
}

VcpuExit TranslateSystemEvent(const kvm_run& run) {
  switch (run.system_event.type) {
    case KVM_SYSTEM_EVENT_SHUTDOWN:
      return SystemEventExit{SystemEventExit::Kind::kShutdown};
    case KVM_SYSTEM_EVENT_RESET:
      return SystemEventExit{SystemEventExit::Kind::kReset};
    case KVM_SYSTEM_EVENT_CRASH:
      return SystemEventExit{SystemEventExit::Kind::kCrash};
    default:
      return UnknownExit{run.exit_reason};
  }
}

}  // namespace

VcpuExit TranslateKvmExit(kvm_run& run, size_t run_size) {
  switch (run.exit_reason) {
    case KVM_EXIT_IO:
      return TranslateIo(run, run_size);
    case KVM_EXIT_MMIO:
      return TranslateMmio(run);
    case KVM_EXIT_HLT:
      return HaltExit{};
    case KVM_EXIT_IOAPIC_EOI:
      return EndOfInterruptExit{run.eoi.vector};
    case KVM_EXIT_X86_BUS_LOCK:
      return BusLockExit{};
    case KVM_EXIT_X86_RDMSR:
    case KVM_EXIT_X86_WRMSR:
      return MsrExit{.index = run.msr.index,
                     .is_write = run.exit_reason == KVM_EXIT_X86_WRMSR,
                     .value = reinterpret_cast<uint64_t*>(&run.msr.data),
                     .fault = &run.msr.error};
    case KVM_EXIT_SHUTDOWN:
      return ShutdownExit{};
    case KVM_EXIT_INTR:
      return InterruptedExit{};
    case KVM_EXIT_DEBUG:
      return DebugExit{.rip = run.debug.arch.pc,
                       .dr6 = run.debug.arch.dr6,
                       .exception = run.debug.arch.exception};
    case KVM_EXIT_FAIL_ENTRY:
      return FailEntryExit{.reason = run.fail_entry.hardware_entry_failure_reason,
                           .cpu = run.fail_entry.cpu};
    case KVM_EXIT_INTERNAL_ERROR:
      return TranslateInternalError(run);
    case KVM_EXIT_SYSTEM_EVENT:
      return TranslateSystemEvent(run);
    default:
      return UnknownExit{run.exit_reason};
  }
}

}  // namespace touchstone
