// x86-64 vCPU and VM state as plain data: what the boot code writes, what a snapshot saves, what
// the gdb stub shows.
//
// Names and meanings are those of the Intel SDM volume 3 (and AMD APM volume 2); layouts are ours,
// KVM's are in hypervisor/kvm.

#ifndef TOUCHSTONE_HYPERVISOR_X86_64_STATE_H_
#define TOUCHSTONE_HYPERVISOR_X86_64_STATE_H_

#include <array>
#include <cstdint>
#include <optional>
#include <vector>

namespace touchstone {

struct GeneralRegisters {
  uint64_t rax = 0, rbx = 0, rcx = 0, rdx = 0, rsi = 0, rdi = 0, rsp = 0, rbp = 0;
  uint64_t r8 = 0, r9 = 0, r10 = 0, r11 = 0, r12 = 0, r13 = 0, r14 = 0, r15 = 0;
  uint64_t rip = 0;
  uint64_t rflags = 0x2;  // SDM vol. 1, 3.4.3: bit 1 is always set

  bool operator==(const GeneralRegisters&) const = default;
};

// A segment register with its hidden part (SDM vol. 3, 3.4.3 and 3.4.5).
struct Segment {
  uint64_t base = 0;
  uint32_t limit = 0;
  uint16_t selector = 0;
  uint8_t type = 0;
  bool present = false;
  uint8_t dpl = 0;
  bool db = false;
  bool s = false;
  bool l = false;
  bool g = false;
  bool avl = false;
  bool unusable = false;

  bool operator==(const Segment&) const = default;
};

struct DescriptorTable {
  uint64_t base = 0;
  uint16_t limit = 0;

  bool operator==(const DescriptorTable&) const = default;
};

struct SpecialRegisters {
  Segment cs, ds, es, fs, gs, ss, tr, ldt;
  DescriptorTable gdt, idt;
  uint64_t cr0 = 0, cr2 = 0, cr3 = 0, cr4 = 0, cr8 = 0;
  uint64_t efer = 0;
  uint64_t apic_base = 0;
  std::array<uint64_t, 4> interrupt_bitmap = {};

  bool operator==(const SpecialRegisters&) const = default;
};

struct Msr {
  uint32_t index = 0;
  uint64_t value = 0;

  bool operator==(const Msr&) const = default;
};

// One CPUID leaf (SDM vol. 2, CPUID). `significant_index` says that `index` (ECX) selects the
// sub-leaf.
struct CpuidEntry {
  uint32_t function = 0;
  uint32_t index = 0;
  bool significant_index = false;
  uint32_t eax = 0, ebx = 0, ecx = 0, edx = 0;

  bool operator==(const CpuidEntry&) const = default;
};

// Extended state: the XSAVE area in the standard format (SDM vol. 1, 13.4) and XCR0. `xsave` is
// 4096 bytes or, with larger state components, what the hypervisor reports.
struct ExtendedState {
  std::vector<uint8_t> xsave;
  uint64_t xcr0 = 1;

  bool operator==(const ExtendedState&) const = default;
};

struct DebugRegisters {
  std::array<uint64_t, 4> db = {};
  uint64_t dr6 = 0xFFFF0FF0;
  uint64_t dr7 = 0x400;

  bool operator==(const DebugRegisters&) const = default;
};

// What a debugger wants the vCPU to stop for (SDM vol. 3, 17.2).
struct DebugControl {
  // One of the four debug registers' breakpoints.
  struct Breakpoint {
    enum class Kind : uint8_t { kExecute, kWrite, kAccess };
    uint64_t address = 0;
    Kind kind = Kind::kExecute;
    // Of the watched datum: 1, 2, 4 or 8; 1 with kExecute.
    uint8_t size = 1;

    bool operator==(const Breakpoint&) const = default;
  };

  bool single_step = false;
  // INT3 stops instead of being delivered to the guest.
  bool software_breakpoints = false;
  std::array<std::optional<Breakpoint>, 4> breakpoints = {};

  bool operator==(const DebugControl&) const = default;
};

// What a vCPU is doing as far as start-up goes (MultiProcessor specification and SDM vol. 3, 9.4).
enum class RunState : uint8_t { kRunnable, kUninitialized, kInitReceived, kHalted, kSipiReceived };

// Pending and injected events.
struct VcpuEvents {
  bool exception_injected = false;
  bool exception_pending = false;
  uint8_t exception_vector = 0;
  bool exception_has_error_code = false;
  uint32_t exception_error_code = 0;
  uint64_t exception_payload = 0;
  bool exception_has_payload = false;
  bool interrupt_injected = false;
  uint8_t interrupt_vector = 0;
  bool interrupt_soft = false;
  uint8_t interrupt_shadow = 0;
  bool nmi_injected = false;
  bool nmi_pending = false;
  bool nmi_masked = false;
  uint32_t sipi_vector = 0;
  bool smm = false;
  bool smm_pending = false;
  bool smm_inside_nmi = false;
  bool latched_init = false;
  bool triple_fault_pending = false;
  RunState run_state = RunState::kRunnable;
  DebugRegisters debug;

  bool operator==(const VcpuEvents&) const = default;
};

// The local APIC's register page (SDM vol. 3, 11.4.1): offset n of the page is byte n.
using LapicState = std::array<uint8_t, 1024>;

// The in-kernel interrupt controllers and timer, each as the hypervisor's own versioned bytes.
struct IrqChipState {
  std::vector<uint8_t> pic_primary, pic_secondary, ioapic, pit;

  bool operator==(const IrqChipState&) const = default;
};

// The paravirtual clock of the VM.
struct ClockState {
  uint64_t nanoseconds = 0;

  bool operator==(const ClockState&) const = default;
};

}  // namespace touchstone

#endif  // TOUCHSTONE_HYPERVISOR_X86_64_STATE_H_
