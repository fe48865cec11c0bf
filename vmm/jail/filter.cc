#include "vmm/jail/filter.h"

#include <linux/audit.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cstddef>
#include <cstdint>
#include <cstring>

#include "absl/strings/str_cat.h"
#include "vmm/jail/violation.h"

namespace touchstone {
namespace {

using Operator = ArgumentCheck::Operator;

constexpr uint32_t kX32Bit = 0x40000000;
// The longest jump of a comparison.
constexpr size_t kMaxJump = 255;

uint32_t ReturnValue(const SyscallAction& action) {
  switch (action.kind) {
    case SyscallAction::Kind::kForbid:
      return SECCOMP_RET_TRAP;
    case SyscallAction::Kind::kAllow:
      return SECCOMP_RET_ALLOW;
    case SyscallAction::Kind::kErrno:
      return SECCOMP_RET_ERRNO | (action.error & SECCOMP_RET_DATA);
    case SyscallAction::Kind::kLog:
      return SECCOMP_RET_LOG;
    case SyscallAction::Kind::kKill:
      return SECCOMP_RET_KILL_PROCESS;
    case SyscallAction::Kind::kKillThread:
      return SECCOMP_RET_KILL_THREAD;
  }
  return SECCOMP_RET_KILL_PROCESS;
}

sock_filter Load(size_t offset) {
  return BPF_STMT(BPF_LD | BPF_W | BPF_ABS, static_cast<uint32_t>(offset));
}
sock_filter Return(uint32_t value) { return BPF_STMT(BPF_RET | BPF_K, value); }
sock_filter Compare(uint16_t condition, uint32_t value, size_t yes, size_t no) {
  return BPF_JUMP(static_cast<uint16_t>(BPF_JMP | BPF_K | condition), value,
                  static_cast<uint8_t>(yes), static_cast<uint8_t>(no));
}

// Where a comparison leads: on, past the check as held, or out of the alternative as failed.
enum class Target { kNext, kHeld, kFailed };

struct Step {
  bool load;
  size_t offset = 0;
  uint16_t condition = 0;
  uint32_t value = 0;
  Target yes = Target::kNext;
  Target no = Target::kNext;
};

// One check on the halves of the argument, the upper first.
std::vector<Step> CheckSteps(const ArgumentCheck& check) {
  const size_t low_at =
      offsetof(seccomp_data, args) + sizeof(uint64_t) * static_cast<size_t>(check.argument);
  const Step load_low = {.load = true, .offset = low_at};
  const Step load_high = {.load = true, .offset = low_at + sizeof(uint32_t)};
  const uint32_t low = static_cast<uint32_t>(check.value);
  const uint32_t high = static_cast<uint32_t>(check.value >> 32);
  const auto compare = [](uint16_t condition, uint32_t value, Target yes, Target no) {
    return Step{.load = false, .condition = condition, .value = value, .yes = yes, .no = no};
  };
  constexpr Target kNext = Target::kNext;
  constexpr Target kHeld = Target::kHeld;
  constexpr Target kFailed = Target::kFailed;
  // `above` is where an upper half above the value's leads, `below` the other.
  const auto ordered = [&](Target above, Target below, uint16_t condition) {
    return std::vector<Step>{load_high, compare(BPF_JGT, high, above, kNext),
                             compare(BPF_JEQ, high, kNext, below), load_low,
                             compare(condition, low, above, below)};
  };
  switch (check.op) {
    case Operator::kEqual:
      return {load_high, compare(BPF_JEQ, high, kNext, kFailed), load_low,
              compare(BPF_JEQ, low, kHeld, kFailed)};
    case Operator::kNotEqual:
      return {load_high, compare(BPF_JEQ, high, kNext, kHeld), load_low,
              compare(BPF_JEQ, low, kFailed, kHeld)};
    case Operator::kGreater:
      return ordered(kHeld, kFailed, BPF_JGT);
    case Operator::kGreaterOrEqual:
      return ordered(kHeld, kFailed, BPF_JGE);
    case Operator::kLess:
      return ordered(kFailed, kHeld, BPF_JGE);
    case Operator::kLessOrEqual:
      return ordered(kFailed, kHeld, BPF_JGT);
    case Operator::kAnyBit:
      return {load_high, compare(BPF_JSET, high, kHeld, kNext), load_low,
              compare(BPF_JSET, low, kHeld, kFailed)};
    case Operator::kNoOthers:
      return {load_high, compare(BPF_JSET, ~high, kFailed, kNext), load_low,
              compare(BPF_JSET, ~low, kFailed, kHeld)};
  }
  return {};
}

// Falls out of its end when a check fails. False when it is too long for its jumps.
bool AppendAlternative(const std::vector<ArgumentCheck>& checks, uint32_t value, Filter& filter) {
  std::vector<std::vector<Step>> steps;
  size_t length = 1;
  for (const ArgumentCheck& check : checks) {
    steps.push_back(CheckSteps(check));
    length += steps.back().size();
  }
  if (length > kMaxJump) return false;
  size_t at = 0;
  for (const std::vector<Step>& check : steps) {
    const size_t held = at + check.size();
    for (const Step& step : check) {
      ++at;  // Jumps count from the next instruction.
      const auto distance = [&](Target target) {
        return target == Target::kNext ? 0 : (target == Target::kHeld ? held : length) - at;
      };
      filter.push_back(
          step.load ? Load(step.offset)
                    : Compare(step.condition, step.value, distance(step.yes), distance(step.no)));
    }
  }
  filter.push_back(Return(value));
  return true;
}

// The number of the call is loaded, and still is where the rule is left for another.
bool AppendRule(const SyscallRule& rule, Filter& filter) {
  const uint32_t number = static_cast<uint32_t>(rule.number);
  if (rule.any_of.empty()) {
    filter.push_back(Compare(BPF_JEQ, number, 0, 1));
    filter.push_back(Return(ReturnValue(rule.then)));
    return true;
  }
  Filter body;
  for (const std::vector<ArgumentCheck>& checks : rule.any_of) {
    if (!AppendAlternative(checks, ReturnValue(rule.then), body)) return false;
  }
  body.push_back(Return(ReturnValue(rule.otherwise)));
  filter.push_back(Compare(BPF_JEQ, number, 1, 0));
  filter.push_back(BPF_STMT(BPF_JMP | BPF_JA, static_cast<uint32_t>(body.size())));
  filter.insert(filter.end(), body.begin(), body.end());
  return true;
}

}  // namespace

absl::StatusOr<Filter> CompileFilter(const Policy& policy) {
  Filter filter = {
      Load(offsetof(seccomp_data, arch)),
      Compare(BPF_JEQ, AUDIT_ARCH_X86_64, 1, 0),
      Return(SECCOMP_RET_KILL_PROCESS),
      Load(offsetof(seccomp_data, nr)),
      Compare(BPF_JGE, kX32Bit, 0, 1),
      Return(SECCOMP_RET_KILL_PROCESS),
      Compare(BPF_JEQ, kFatalSystemCall, 0, 1),
      Return(SECCOMP_RET_KILL_PROCESS),
      // rt_sigaction of SIGSYS, else the number again.
      Compare(BPF_JEQ, SYS_rt_sigaction, 0, 4),
      Load(offsetof(seccomp_data, args)),
      Compare(BPF_JEQ, SIGSYS, 0, 1),
      Return(SECCOMP_RET_KILL_PROCESS),
      Load(offsetof(seccomp_data, nr)),
  };
  for (const bool with_arguments : {true, false}) {
    for (const SyscallRule& rule : policy.rules) {
      if (rule.any_of.empty() == with_arguments) continue;
      if (!AppendRule(rule, filter)) {
        return absl::ResourceExhaustedError(
            absl::StrCat("an alternative for system call ", rule.number, " has too many checks"));
      }
    }
  }
  filter.push_back(Return(ReturnValue(policy.fallback)));
  if (filter.size() > BPF_MAXINSNS) {
    return absl::ResourceExhaustedError(absl::StrCat(
        "the filter would have ", filter.size(), " instructions, the kernel takes ", BPF_MAXINSNS));
  }
  return filter;
}

std::string FilterBytes(const Filter& filter) {
  return std::string(reinterpret_cast<const char*>(filter.data()),
                     filter.size() * sizeof(sock_filter));
}

absl::StatusOr<Filter> ParseFilterBytes(absl::string_view bytes) {
  if (bytes.empty() || bytes.size() % sizeof(sock_filter) != 0 ||
      bytes.size() / sizeof(sock_filter) > BPF_MAXINSNS) {
    return absl::InvalidArgumentError(
        absl::StrCat(bytes.size(), " bytes are no seccomp filter: 1 to ", BPF_MAXINSNS,
                     " instructions of ", sizeof(sock_filter), " bytes are accepted"));
  }
  Filter filter(bytes.size() / sizeof(sock_filter));
  std::memcpy(filter.data(), bytes.data(), bytes.size());
  return filter;
}

bool InstallFilter(const Filter& filter, FilterScope scope) {
  const sock_fprog program = {.len = static_cast<uint16_t>(filter.size()),
                              .filter = const_cast<sock_filter*>(filter.data())};
  const unsigned int flags = scope == FilterScope::kProcess ? SECCOMP_FILTER_FLAG_TSYNC : 0;
  return syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, flags, &program) == 0;
}

}  // namespace touchstone
