// The breakpoints and watchpoints of a debugger (GDB manual, E.2, packets Z and z).
//
// What gdb calls a software breakpoint is one of the processor's four breakpoint registers, as long
// as nothing else wants it: it leaves the guest's code as it is, and works at an address that the
// guest has yet to map. When the registers run out it is an INT3 in guest memory.
//
// Thread-compatible.

#ifndef TOUCHSTONE_VMM_GDB_BREAKPOINTS_H_
#define TOUCHSTONE_VMM_GDB_BREAKPOINTS_H_

#include <array>
#include <cstdint>
#include <map>
#include <optional>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/types/span.h"
#include "base/memory/guest_memory.h"
#include "hypervisor/x86_64/state.h"

namespace touchstone {

// SDM vol. 2, INT n/INTO/INT3/INT1.
inline constexpr uint8_t kInt3 = 0xCC;

class GdbBreakpoints {
 public:
  using Kind = DebugControl::Breakpoint::Kind;
  using Registers = std::array<std::optional<DebugControl::Breakpoint>, 4>;

  explicit GdbBreakpoints(GuestMemory memory) : memory_(std::move(memory)) {}

  // What is there already is left as it is. `registers` say how addresses are translated.
  // ResourceExhausted without a free register, or memory for an INT3; InvalidArgument for what no
  // register can watch.
  absl::Status InsertSoftware(uint64_t address, const SpecialRegisters& registers);
  absl::Status InsertHardware(Kind kind, uint64_t address, uint64_t size,
                              const SpecialRegisters& registers);
  // NotFound for what is not there.
  absl::Status RemoveSoftware(uint64_t address);
  absl::Status RemoveHardware(Kind kind, uint64_t address, uint64_t size);
  void RemoveAll();

  [[nodiscard]] const Registers& registers() const { return registers_; }
  // Sorted.
  [[nodiscard]] std::vector<uint64_t> software() const;

  // `data` was read from `address`: puts back what the guest has there.
  void Hide(uint64_t address, absl::Span<uint8_t> data) const;
  // `data` was written to `address`: it is what the guest has there from now on.
  void Rewrite(uint64_t address, absl::Span<const uint8_t> data);

 private:
  struct Software {
    std::optional<GuestAddress> place;  // Nullopt: a register does it.
    uint8_t original = 0;
  };

  // Null when all are taken.
  std::optional<DebugControl::Breakpoint>* FreeRegister();
  // Puts an INT3 where a software breakpoint is. False where no memory is.
  bool Plant(uint64_t address, const SpecialRegisters& registers, Software& breakpoint) const;
  void Remove(const Software& breakpoint) const;

  const GuestMemory memory_;
  std::map<uint64_t, Software> software_;  // By virtual address.
  Registers registers_ = {};
};

}  // namespace touchstone

#endif  // TOUCHSTONE_VMM_GDB_BREAKPOINTS_H_
