// A filter and a policy as functions, for tests and fuzzers to compare.

#ifndef TOUCHSTONE_VMM_JAIL_FILTER_TESTING_H_
#define TOUCHSTONE_VMM_JAIL_FILTER_TESTING_H_

#include <linux/seccomp.h>

#include <cstdint>

#include "vmm/jail/filter.h"
#include "vmm/jail/policy.h"

namespace touchstone {

// What the filter returns for a call (SECCOMP_RET_...): the kernel's classic BPF, of which a filter
// of CompileFilter uses loads, jumps and returns. CHECKs that each step stays inside.
uint32_t RunFilter(const Filter& filter, const seccomp_data& call);

// What the policy says of it, read off the rules.
uint32_t Judge(const Policy& policy, const seccomp_data& call);

}  // namespace touchstone

#endif  // TOUCHSTONE_VMM_JAIL_FILTER_TESTING_H_
