// What a process may ask of the kernel: for each system call, on which arguments it goes through,
// and what happens otherwise. Plain data, made by policy_parser.h, compiled by filter.h.

#ifndef TOUCHSTONE_VMM_JAIL_POLICY_H_
#define TOUCHSTONE_VMM_JAIL_POLICY_H_

#include <cstdint>
#include <vector>

namespace touchstone {

struct ArgumentCheck {
  enum class Operator {
    kEqual,
    kNotEqual,
    kLess,
    kLessOrEqual,
    kGreater,
    kGreaterOrEqual,
    kAnyBit,    // argument & value is not 0
    kNoOthers,  // argument & ~value is 0
  };

  int argument = 0;  // 0 to 5. All 64 bits of it.
  Operator op = Operator::kEqual;
  uint64_t value = 0;

  friend bool operator==(const ArgumentCheck&, const ArgumentCheck&) = default;
};

struct SyscallAction {
  enum class Kind {
    kForbid,  // Reports and kills (violation.h).
    kAllow,
    kErrno,
    kLog,  // Goes through; the kernel's audit log names it.
    kKill,
    kKillThread,
  };

  Kind kind = Kind::kForbid;
  uint16_t error = 0;  // Of kErrno, at most 4095.

  friend bool operator==(const SyscallAction&, const SyscallAction&) = default;
};

struct SyscallRule {
  int number = 0;
  // Alternatives, each of checks that all must hold. None: no arguments are looked at.
  std::vector<std::vector<ArgumentCheck>> any_of;
  SyscallAction then = {.kind = SyscallAction::Kind::kAllow};
  SyscallAction otherwise;

  friend bool operator==(const SyscallRule&, const SyscallRule&) = default;
};

struct Policy {
  std::vector<SyscallRule> rules;  // One for a call at most.
  SyscallAction fallback;          // For all other calls.
};

}  // namespace touchstone

#endif  // TOUCHSTONE_VMM_JAIL_POLICY_H_
