// Which filter a jailed device gets: the built-in policy's, or that of a file in
// --seccomp-policy-dir.

#ifndef TOUCHSTONE_VMM_JAIL_FILTER_SOURCE_H_
#define TOUCHSTONE_VMM_JAIL_FILTER_SOURCE_H_

#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "vmm/jail/filter.h"

namespace touchstone {

struct FilterSource {
  // --seccomp-policy-dir. Empty: the built-in policies.
  std::string directory;
  // --seccomp-log-failures: what a policy forbids goes through, and the kernel's audit log names
  // it.
  bool log_failures = false;
};

// The filter for the policy `name`, as "rng_device" (crosvm.md 8.3). From a directory: NAME.bpf,
// the kernel's instructions, or, when there is none or failures are logged, NAME.policy, whose
// includes are absolute or relative to the directory. Errors name the file, and the line.
// Thread-safe.
absl::StatusOr<Filter> LoadFilter(const FilterSource& source, absl::string_view name);

}  // namespace touchstone

#endif  // TOUCHSTONE_VMM_JAIL_FILTER_SOURCE_H_
