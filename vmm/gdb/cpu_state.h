// A vCPU's registers as gdb numbers them, and the target description that tells gdb of it (GDB
// manual, G.5.8 i386 features).
//
//   general, rip, flags, segments | x87 | SSE | fs_base, gs_base | control registers
//
// Pure functions: thread-safe.

#ifndef TOUCHSTONE_VMM_GDB_CPU_STATE_H_
#define TOUCHSTONE_VMM_GDB_CPU_STATE_H_

#include <cstddef>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "hypervisor/x86_64/state.h"

namespace touchstone {

struct GdbCpuState {
  GeneralRegisters general;
  SpecialRegisters special;
  ExtendedState extended;

  bool operator==(const GdbCpuState&) const = default;
};

// The document behind qXfer:features:read:target.xml.
std::string GdbTargetDescription();

size_t GdbRegisterCount();

// Bytes of the register. REQUIRES (of all three): number < GdbRegisterCount().
size_t GdbRegisterSize(size_t number);
// Its value, the lowest byte first.
std::string ReadGdbRegister(const GdbCpuState& state, size_t number);
// InvalidArgument for a value of another size; PermissionDenied to change what has a hidden part
// that gdb does not know of (selectors), or what KVM keeps to itself.
absl::Status WriteGdbRegister(GdbCpuState& state, size_t number, absl::string_view value);

}  // namespace touchstone

#endif  // TOUCHSTONE_VMM_GDB_CPU_STATE_H_
