// The names that a policy may use for numbers: those of the kernel's headers that arguments of
// system calls are made of.

#ifndef TOUCHSTONE_VMM_JAIL_POLICY_CONSTANTS_H_
#define TOUCHSTONE_VMM_JAIL_POLICY_CONSTANTS_H_

#include <cstdint>
#include <optional>

#include "absl/strings/string_view.h"

namespace touchstone {

// 1 for "PROT_READ".
std::optional<uint64_t> PolicyConstant(absl::string_view name);

// 1 for "EPERM"; 0 for anything else.
int ErrorNumber(absl::string_view name);

}  // namespace touchstone

#endif  // TOUCHSTONE_VMM_JAIL_POLICY_CONSTANTS_H_
