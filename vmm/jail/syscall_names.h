// The system calls of x86-64 by name, as linux/unistd.h of the build machine has them.

#ifndef TOUCHSTONE_VMM_JAIL_SYSCALL_NAMES_H_
#define TOUCHSTONE_VMM_JAIL_SYSCALL_NAMES_H_

#include <optional>

#include "absl/strings/string_view.h"

namespace touchstone {

// 0 for "read". None when there is no such call.
std::optional<int> SyscallNumber(absl::string_view name);

// "read" for 0, "unknown" for a number that has none. Async-signal-safe.
absl::string_view SyscallName(int number);

}  // namespace touchstone

#endif  // TOUCHSTONE_VMM_JAIL_SYSCALL_NAMES_H_
