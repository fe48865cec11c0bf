// Why a vCPU stopped running guest code, as data. Dispatch happens in vmm/machine.

#ifndef TOUCHSTONE_HYPERVISOR_VCPU_EXIT_H_
#define TOUCHSTONE_HYPERVISOR_VCPU_EXIT_H_

#include <array>
#include <cstdint>
#include <string>
#include <variant>

#include "absl/types/span.h"

namespace touchstone {

// IN or OUT, string forms included: `count` accesses of `size` bytes (1, 2 or 4), one after the
// other in `data`. For a read the caller fills `data` before the next Run. `data` points into the
// vCPU's run area and is valid until then.
struct IoExit {
  uint16_t port;
  uint8_t size;
  bool is_write;
  absl::Span<uint8_t> data;
};

// A load or store outside memory slots, `data.size()` of 1 to 8 bytes. As for IoExit, a read is
// answered in `data`.
struct MmioExit {
  uint64_t address;
  bool is_write;
  absl::Span<uint8_t> data;
};

// HLT with no interrupt controller in the hypervisor to wait for one.
struct HaltExit {};

// Triple fault (SDM vol. 3, 6.15, interrupt 8): the guest shut the processor down.
struct ShutdownExit {};

// A local APIC is done with a level-triggered interrupt of the IOAPIC's (Vm::CreateSplitIrqChip).
struct EndOfInterruptExit {
  uint8_t vector;
};

// The guest made a locked access that held up the memory bus for everybody (SDM vol. 3, 9.1.2). It
// is done; nothing to do but to wait (OptionalExit::kBusLock).
struct BusLockExit {};

// RDMSR or WRMSR of a register that the hypervisor does not know (OptionalExit::kUnknownMsr). A
// read is answered in `*value`; `*fault` not 0 gives the guest a general protection fault (SDM vol.
// 2, RDMSR). Both point into the vCPU's run area and are valid until the next Run.
struct MsrExit {
  uint32_t index;
  bool is_write;
  uint64_t* value;
  uint8_t* fault;
};

// The guest asked the hypervisor itself for one of these.
struct SystemEventExit {
  enum class Kind { kShutdown, kReset, kCrash } kind;
};

// Vcpu::Kick, or a signal, brought it back; nothing to do.
struct InterruptedExit {};

// A breakpoint or single step that was asked for.
struct DebugExit {
  uint64_t rip;
  uint64_t dr6;
  uint32_t exception;
};

// The processor refused to enter the guest: its state is invalid.
struct FailEntryExit {
  uint64_t reason;
  uint32_t cpu;
};

// The hypervisor could not go on, for example at an instruction it cannot emulate.
struct InternalErrorExit {
  uint32_t suberror;
  std::string details;
};

// An exit this version knows nothing of.
struct UnknownExit {
  uint32_t reason;
};

using VcpuExit = std::variant<InterruptedExit, IoExit, MmioExit, HaltExit, EndOfInterruptExit,
                              ShutdownExit, BusLockExit, MsrExit, SystemEventExit, DebugExit,
                              FailEntryExit, InternalErrorExit, UnknownExit>;

}  // namespace touchstone

#endif  // TOUCHSTONE_HYPERVISOR_VCPU_EXIT_H_
