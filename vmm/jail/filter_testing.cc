#include "vmm/jail/filter_testing.h"

#include <linux/audit.h>
#include <signal.h>
#include <sys/syscall.h>

#include <algorithm>
#include <cstddef>
#include <cstring>

#include "base/log.h"
#include "vmm/jail/violation.h"

namespace touchstone {
namespace {

bool Holds(const ArgumentCheck& check, uint64_t argument) {
  switch (check.op) {
    case ArgumentCheck::Operator::kEqual:
      return argument == check.value;
    case ArgumentCheck::Operator::kNotEqual:
      return argument != check.value;
    case ArgumentCheck::Operator::kLess:
      return argument < check.value;
    case ArgumentCheck::Operator::kLessOrEqual:
      return argument <= check.value;
    case ArgumentCheck::Operator::kGreater:
      return argument > check.value;
    case ArgumentCheck::Operator::kGreaterOrEqual:
      return argument >= check.value;
    case ArgumentCheck::Operator::kAnyBit:
      return (argument & check.value) != 0;
    case ArgumentCheck::Operator::kNoOthers:
      return (argument & ~check.value) == 0;
  }
  return false;
}

uint32_t Value(const SyscallAction& action) {
  switch (action.kind) {
    case SyscallAction::Kind::kForbid:
      return SECCOMP_RET_TRAP;
    case SyscallAction::Kind::kAllow:
      return SECCOMP_RET_ALLOW;
    case SyscallAction::Kind::kErrno:
      return SECCOMP_RET_ERRNO | action.error;
    case SyscallAction::Kind::kLog:
      return SECCOMP_RET_LOG;
    case SyscallAction::Kind::kKill:
      return SECCOMP_RET_KILL_PROCESS;
    case SyscallAction::Kind::kKillThread:
      return SECCOMP_RET_KILL_THREAD;
  }
  return 0;
}

bool Jumps(const sock_filter& step, uint32_t accumulator) {
  switch (BPF_OP(step.code)) {
    case BPF_JEQ:
      return accumulator == step.k;
    case BPF_JGT:
      return accumulator > step.k;
    case BPF_JGE:
      return accumulator >= step.k;
    case BPF_JSET:
      return (accumulator & step.k) != 0;
    default:
      CHECK(false);
  }
  return false;
}

}  // namespace

uint32_t RunFilter(const Filter& filter, const seccomp_data& call) {
  uint32_t accumulator = 0;
  for (size_t at = 0; at < filter.size(); ++at) {
    const sock_filter& step = filter[at];
    switch (step.code) {
      case BPF_LD | BPF_W | BPF_ABS:
        CHECK(step.k % 4 == 0 && step.k + 4 <= sizeof(call));
        std::memcpy(&accumulator, reinterpret_cast<const char*>(&call) + step.k, 4);
        break;
      case BPF_RET | BPF_K:
        return step.k;
      case BPF_JMP | BPF_JA:
        at += step.k;
        break;
      default:
        CHECK(BPF_CLASS(step.code) == BPF_JMP);
        at += Jumps(step, accumulator) ? step.jt : step.jf;
    }
  }
  CHECK(false);
  return 0;
}

uint32_t Judge(const Policy& policy, const seccomp_data& call) {
  if (call.arch != AUDIT_ARCH_X86_64 || static_cast<uint32_t>(call.nr) >= 0x40000000 ||
      call.nr == kFatalSystemCall ||
      (call.nr == SYS_rt_sigaction && static_cast<uint32_t>(call.args[0]) == SIGSYS)) {
    return SECCOMP_RET_KILL_PROCESS;
  }
  const auto rule = std::find_if(policy.rules.begin(), policy.rules.end(),
                                 [&](const SyscallRule& r) { return r.number == call.nr; });
  if (rule == policy.rules.end()) return Value(policy.fallback);
  const auto holds = [&](const std::vector<ArgumentCheck>& checks) {
    return std::all_of(checks.begin(), checks.end(), [&](const ArgumentCheck& check) {
      return Holds(check, call.args[check.argument]);
    });
  };
  const bool any =
      rule->any_of.empty() || std::any_of(rule->any_of.begin(), rule->any_of.end(), holds);
  return Value(any ? rule->then : rule->otherwise);
}

}  // namespace touchstone
