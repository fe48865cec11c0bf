// Reads policies in the language of minijail's files, which those of --seccomp-policy-dir and the
// built-in ones (builtin_policies.h) are written in.
//
//   # Comments, and lines that end with \ and go on.
//   @include base.policy
//   @default kill-process
//   read: 1
//   {open, openat}: return ENOENT
//   mmap: arg2 in ~PROT_EXEC
//   prctl: arg0 == PR_SET_NAME || arg0 == PR_SET_VMA && arg1 == 0; return EPERM
//
//   statement   call [ARCHITECTURES] ":" filter        { call, call } ":" filter
//   ARCHITECTURES   [arch=x86_64,arm]: statements for others are read and left out
//   filter      "1" | "allow" | action | alternatives [";" action]
//   alternatives    checks || checks ...    checks    check && check ...
//   check       argN OPERATOR value;  == != < <= > >= &(any bit) in(no other bits)
//   value       numbers and names with | between; ~ and ( ) around
//   action      "return" N or ENAME | kill | kill-process | kill-thread | trap | log
//   @frequency FILE   nothing to do: the kernel remembers which calls are always allowed
//
// kill, kill-process and trap are the same here: the call is reported, then the process dies.
// Not accepted: trace and user-notify, which need another process that answers.
//
// Bounds: kMaxPolicyBytes of text, kMaxIncludeDepth, kMaxAlternatives for a call, kMaxChecks each.
// Errors are "FILE:LINE: what is wrong, and what is accepted".

#ifndef TOUCHSTONE_VMM_JAIL_POLICY_PARSER_H_
#define TOUCHSTONE_VMM_JAIL_POLICY_PARSER_H_

#include <cstddef>
#include <functional>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "vmm/jail/policy.h"

namespace touchstone {

inline constexpr size_t kMaxPolicyBytes = size_t{1} << 20;  // With all that is included.
inline constexpr int kMaxIncludeDepth = 8;
inline constexpr size_t kMaxAlternatives = 256;
inline constexpr size_t kMaxChecks = 16;

// The text of an included file; `name` is as the line has it.
using PolicyInclude = std::function<absl::StatusOr<std::string>(const std::string& name)>;

// `file` is the name for errors. Thread-safe.
absl::StatusOr<Policy> ParsePolicy(absl::string_view text, absl::string_view file,
                                   const PolicyInclude& include);

}  // namespace touchstone

#endif  // TOUCHSTONE_VMM_JAIL_POLICY_PARSER_H_
