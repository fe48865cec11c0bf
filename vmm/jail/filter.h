// A policy as the program that the kernel runs before each system call (seccomp(2)).
//
// libseccomp is not used: its rules cannot say "otherwise return EPERM" nor compare an argument
// twice, it holds the tables of all architectures, and it takes longer to compile a policy than a
// device takes to start. A filter here is a list of comparisons in the order of the rules, those
// that look at arguments first: for the others, the kernel (5.11 and later) remembers the answer.
//
// Whatever the policy says, a filter kills for other architectures' calls (i386, x32), for
// rt_sigaction of SIGSYS, and for kFatalSystemCall (violation.h).

#ifndef TOUCHSTONE_VMM_JAIL_FILTER_H_
#define TOUCHSTONE_VMM_JAIL_FILTER_H_

#include <linux/filter.h>

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "vmm/jail/policy.h"

namespace touchstone {

using Filter = std::vector<sock_filter>;

// ResourceExhausted when it would be longer than the kernel takes. Thread-safe.
absl::StatusOr<Filter> CompileFilter(const Policy& policy);

// A filter as bytes, for a file or another process; InvalidArgument for what is none.
std::string FilterBytes(const Filter& filter);
absl::StatusOr<Filter> ParseFilterBytes(absl::string_view bytes);

enum class FilterScope {
  kProcess,  // All threads, which must not have filters of their own.
  kThread,   // The caller.
};

// Puts the filter in force for these threads and their children, for ever, besides those that are.
// False, with errno, when the kernel refuses. REQUIRES: no-new-privs is set.
bool InstallFilter(const Filter& filter, FilterScope scope);

}  // namespace touchstone

#endif  // TOUCHSTONE_VMM_JAIL_FILTER_H_
