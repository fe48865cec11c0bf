#include "vmm/jail/filter.h"

#include <linux/audit.h>
#include <linux/fs.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <sys/syscall.h>

#include <random>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "gtest/gtest.h"
#include "vmm/jail/builtin_policies.h"
#include "vmm/jail/filter_testing.h"
#include "vmm/jail/violation.h"

namespace touchstone {
namespace {

using Kind = SyscallAction::Kind;
using Operator = ArgumentCheck::Operator;

seccomp_data Call(int number, uint64_t argument = 0) {
  return {.nr = number, .arch = AUDIT_ARCH_X86_64, .args = {argument, argument, argument}};
}

uint32_t Verdict(const Policy& policy, const seccomp_data& call) {
  return RunFilter(*CompileFilter(policy), call);
}

Policy One(ArgumentCheck check) { return {.rules = {{.number = SYS_ioctl, .any_of = {{check}}}}}; }

TEST(Filter, EmptyPolicyForbidsAll) {
  EXPECT_EQ(Verdict({}, Call(SYS_read)), SECCOMP_RET_TRAP);
  EXPECT_EQ(Verdict({}, Call(-1)), SECCOMP_RET_KILL_PROCESS);
}

TEST(Filter, RulesAndFallback) {
  const Policy policy = {
      .rules = {{.number = SYS_read},
                {.number = SYS_open, .then = {.kind = Kind::kErrno, .error = 2}}},
      .fallback = {.kind = Kind::kLog}};
  EXPECT_EQ(Verdict(policy, Call(SYS_read)), SECCOMP_RET_ALLOW);
  EXPECT_EQ(Verdict(policy, Call(SYS_open)), SECCOMP_RET_ERRNO | 2);
  EXPECT_EQ(Verdict(policy, Call(SYS_write)), SECCOMP_RET_LOG);
}

TEST(Filter, OtherArchitecturesDie) {
  const Policy all = {.fallback = {.kind = Kind::kAllow}};
  seccomp_data call = Call(SYS_read);
  call.arch = AUDIT_ARCH_I386;
  EXPECT_EQ(Verdict(all, call), SECCOMP_RET_KILL_PROCESS);
  EXPECT_EQ(Verdict(all, Call(0x40000000 | SYS_read)), SECCOMP_RET_KILL_PROCESS);
}

TEST(Filter, TheHandlerOfViolationsStays) {
  const Policy all = {.rules = {{.number = SYS_rt_sigaction}}, .fallback = {.kind = Kind::kAllow}};
  EXPECT_EQ(Verdict(all, Call(SYS_rt_sigaction, SIGSYS)), SECCOMP_RET_KILL_PROCESS);
  // The kernel looks at 32 bits of it.
  EXPECT_EQ(Verdict(all, Call(SYS_rt_sigaction, uint64_t{1} << 32 | SIGSYS)),
            SECCOMP_RET_KILL_PROCESS);
  EXPECT_EQ(Verdict(all, Call(SYS_rt_sigaction, SIGINT)), SECCOMP_RET_ALLOW);
  EXPECT_EQ(Verdict(all, Call(kFatalSystemCall)), SECCOMP_RET_KILL_PROCESS);
}

struct OperatorCase {
  Operator op;
  uint64_t value;
};

class FilterOperator : public testing::TestWithParam<OperatorCase> {};

// Around each value, in both halves.
TEST_P(FilterOperator, AgreesWithThePolicy) {
  const auto [op, value] = GetParam();
  const Policy policy = One({.argument = 1, .op = op, .value = value});
  const Filter filter = *CompileFilter(policy);
  for (const uint64_t high : {uint64_t{0}, uint64_t{1}, uint64_t{1} << 32, ~uint64_t{0} << 32}) {
    for (const uint64_t low : {-2, -1, 0, 1, 2}) {
      for (const uint64_t argument : {high + low, value + high + low, value ^ high, ~value + low}) {
        const seccomp_data call = Call(SYS_ioctl, argument);
        EXPECT_EQ(RunFilter(filter, call), Judge(policy, call)) << argument;
      }
    }
  }
}

std::vector<OperatorCase> OperatorCases() {
  std::vector<OperatorCase> cases;
  for (const Operator op :
       {Operator::kEqual, Operator::kNotEqual, Operator::kLess, Operator::kLessOrEqual,
        Operator::kGreater, Operator::kGreaterOrEqual, Operator::kAnyBit, Operator::kNoOthers}) {
    for (const uint64_t value : {uint64_t{0}, uint64_t{1}, uint64_t{0x5401}, uint64_t{1} << 32,
                                 uint64_t{0xffffffff}, uint64_t{1} << 63, ~uint64_t{0}}) {
      cases.push_back({op, value});
    }
  }
  return cases;
}

INSTANTIATE_TEST_SUITE_P(All, FilterOperator, testing::ValuesIn(OperatorCases()));

TEST(Filter, RandomPoliciesAgree) {
  std::mt19937 random(7);
  const auto pick = [&](uint32_t bound) { return static_cast<uint32_t>(random() % bound); };
  for (int round = 0; round < 300; ++round) {
    Policy policy;
    for (int number = 0; number < 5; ++number) {
      SyscallRule rule = {.number = number,
                          .then = {.kind = static_cast<Kind>(pick(6)), .error = 7},
                          .otherwise = {.kind = static_cast<Kind>(pick(6)), .error = 9}};
      for (uint32_t i = pick(4); i > 0; --i) {
        std::vector<ArgumentCheck> checks;
        for (uint32_t j = 1 + pick(3); j > 0; --j) {
          checks.push_back({static_cast<int>(pick(6)), static_cast<Operator>(pick(8)), pick(4)});
        }
        rule.any_of.push_back(checks);
      }
      policy.rules.push_back(rule);
    }
    const Filter filter = *CompileFilter(policy);
    for (int i = 0; i < 50; ++i) {
      seccomp_data call = Call(static_cast<int>(pick(6)));
      for (auto& argument : call.args) argument = pick(5);
      ASSERT_EQ(RunFilter(filter, call), Judge(policy, call));
    }
  }
}

TEST(Filter, TooLongIsAnError) {
  SyscallRule rule = {.number = SYS_ioctl};
  for (int i = 0; i < 1000; ++i) rule.any_of.push_back({{.argument = 1, .value = 1}});
  EXPECT_TRUE(absl::IsResourceExhausted(CompileFilter({.rules = {rule}}).status()));
  rule.any_of = {std::vector<ArgumentCheck>(100)};
  EXPECT_TRUE(absl::IsResourceExhausted(CompileFilter({.rules = {rule}}).status()));
}

TEST(Filter, Bytes) {
  const Filter filter = *CompileFilter({});
  const std::string bytes = FilterBytes(filter);
  EXPECT_EQ(FilterBytes(*ParseFilterBytes(bytes)), bytes);
  EXPECT_FALSE(ParseFilterBytes("").ok());
  EXPECT_FALSE(ParseFilterBytes(bytes + "x").ok());
  EXPECT_FALSE(ParseFilterBytes(std::string(size_t{8} * 4097, '\0')).ok());
}

// What no device may ever.
TEST(BuiltinPolicies, ForbidTheDangerous) {
  for (const absl::string_view name : kBuiltinPolicies) {
    const Filter filter = *CompileFilter(*BuiltinPolicy(name));
    for (const int number : {SYS_execve,
                             SYS_execveat,
                             SYS_fork,
                             SYS_vfork,
                             SYS_ptrace,
                             SYS_process_vm_readv,
                             SYS_process_vm_writev,
                             SYS_mount,
                             SYS_umount2,
                             SYS_pivot_root,
                             SYS_chroot,
                             SYS_setuid,
                             SYS_setresuid,
                             SYS_setgid,
                             SYS_capset,
                             SYS_unshare,
                             SYS_setns,
                             SYS_socket,
                             SYS_connect,
                             SYS_bind,
                             SYS_bpf,
                             SYS_perf_event_open,
                             SYS_keyctl,
                             SYS_init_module,
                             SYS_kexec_load,
                             SYS_reboot,
                             SYS_kill,
                             SYS_unlink,
                             SYS_rename,
                             SYS_mkdir,
                             SYS_chmod,
                             SYS_userfaultfd,
                             SYS_open_by_handle_at,
                             SYS_pidfd_getfd,
                             SYS_seccomp,
                             SYS_iopl,
                             SYS_modify_ldt}) {
      EXPECT_EQ(RunFilter(filter, Call(number)), SECCOMP_RET_TRAP) << name << " " << number;
    }
    for (const int number : {SYS_mmap, SYS_mprotect}) {
      EXPECT_EQ(RunFilter(filter, Call(number, 7)), SECCOMP_RET_TRAP) << name << " " << number;
    }
    // A process, and one that shares all but is none.
    EXPECT_EQ(RunFilter(filter, Call(SYS_clone, SIGCHLD)), SECCOMP_RET_TRAP) << name;
    EXPECT_EQ(RunFilter(filter, Call(SYS_clone, 0x10000 | 0x10000000)), SECCOMP_RET_TRAP) << name;
  }
}

TEST(BuiltinPolicies, ADiskMayBeABlockDeviceThatIsTrimmed) {
  const Filter block = *CompileFilter(*BuiltinPolicy("block_device"));
  const Filter rng = *CompileFilter(*BuiltinPolicy("rng_device"));
  for (const uint64_t request :
       std::vector<uint64_t>{BLKGETSIZE64, BLKSSZGET, BLKDISCARD, BLKZEROOUT}) {
    EXPECT_EQ(RunFilter(block, Call(SYS_ioctl, request)), SECCOMP_RET_ALLOW) << request;
    EXPECT_EQ(RunFilter(rng, Call(SYS_ioctl, request)), SECCOMP_RET_ERRNO | ENOTTY) << request;
  }
}

TEST(BuiltinPolicies, UnknownIsNotFound) {
  EXPECT_TRUE(absl::IsNotFound(BuiltinPolicy("bogus_device").status()));
}

}  // namespace
}  // namespace touchstone
