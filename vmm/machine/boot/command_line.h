// The kernel command line: what may be in it, and writing it where the boot protocols find it.

#ifndef TOUCHSTONE_VMM_MACHINE_BOOT_COMMAND_LINE_H_
#define TOUCHSTONE_VMM_MACHINE_BOOT_COMMAND_LINE_H_

#include <cstdint>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "base/memory/guest_memory.h"
#include "vmm/machine/boot/memory_layout.h"

namespace touchstone {

inline constexpr uint32_t kLongestCommandLine = kCommandLineArea - 1;

// InvalidArgument, naming --params, when `line` has bytes other than 0x20 to 0x7E or more of them
// than `limit` or kLongestCommandLine.
absl::Status CheckCommandLine(absl::string_view line, uint32_t limit = kLongestCommandLine);

// Checks `line` and writes it with its NUL to kCommandLineAddress.
absl::Status WriteCommandLine(const GuestMemory& memory, absl::string_view line, uint32_t limit);

}  // namespace touchstone

#endif  // TOUCHSTONE_VMM_MACHINE_BOOT_COMMAND_LINE_H_
