#include "vmm/jail/policy_parser.h"

#include <errno.h>
#include <sys/mman.h>
#include <sys/syscall.h>

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace touchstone {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;

using Kind = SyscallAction::Kind;
using Operator = ArgumentCheck::Operator;

absl::StatusOr<std::string> NoFiles(const std::string& name) {
  return absl::NotFoundError(absl::StrCat(name, ": No such file or directory"));
}

absl::StatusOr<Policy> Parse(absl::string_view text) { return ParsePolicy(text, "p", NoFiles); }

std::string Error(absl::string_view text) { return std::string(Parse(text).status().message()); }

// The only rule of a line.
SyscallRule Rule(absl::string_view line) {
  const absl::StatusOr<Policy> policy = Parse(line);
  EXPECT_EQ(policy.status(), absl::OkStatus());
  EXPECT_EQ(policy.ok() ? policy->rules.size() : 0, 1);
  return policy.ok() && policy->rules.size() == 1 ? policy->rules[0] : SyscallRule();
}

TEST(PolicyParser, NothingForbidsAll) {
  const absl::StatusOr<Policy> policy = Parse("# a comment\n\n   \n");
  ASSERT_EQ(policy.status(), absl::OkStatus());
  EXPECT_TRUE(policy->rules.empty());
  EXPECT_EQ(policy->fallback.kind, Kind::kForbid);
}

TEST(PolicyParser, AllowedCalls) {
  EXPECT_EQ(Rule("read: 1"), (SyscallRule{.number = SYS_read}));
  EXPECT_EQ(Rule("read:allow # why"), (SyscallRule{.number = SYS_read}));
}

TEST(PolicyParser, Actions) {
  EXPECT_EQ(Rule("open: return ENOENT").then,
            (SyscallAction{.kind = Kind::kErrno, .error = ENOENT}));
  EXPECT_EQ(Rule("open: return 13").then, (SyscallAction{.kind = Kind::kErrno, .error = 13}));
  EXPECT_EQ(Rule("open: return 0").then, (SyscallAction{.kind = Kind::kErrno, .error = 0}));
  EXPECT_EQ(Rule("open: kill").then.kind, Kind::kForbid);
  EXPECT_EQ(Rule("open: kill-process").then.kind, Kind::kForbid);
  EXPECT_EQ(Rule("open: trap").then.kind, Kind::kForbid);
  EXPECT_EQ(Rule("open: kill-thread").then.kind, Kind::kKillThread);
  EXPECT_EQ(Rule("open: log").then.kind, Kind::kLog);
}

TEST(PolicyParser, Comparisons) {
  const auto check = [](absl::string_view text) {
    return Rule(absl::StrCat("ioctl: ", text)).any_of.at(0).at(0);
  };
  EXPECT_EQ(check("arg1 == 0x5401"), (ArgumentCheck{1, Operator::kEqual, 0x5401}));
  EXPECT_EQ(check("arg5 != 010"), (ArgumentCheck{5, Operator::kNotEqual, 8}));
  EXPECT_EQ(check("arg0<7"), (ArgumentCheck{0, Operator::kLess, 7}));
  EXPECT_EQ(check("arg0 <= 7"), (ArgumentCheck{0, Operator::kLessOrEqual, 7}));
  EXPECT_EQ(check("arg0 > 7"), (ArgumentCheck{0, Operator::kGreater, 7}));
  EXPECT_EQ(check("arg0 >= 7"), (ArgumentCheck{0, Operator::kGreaterOrEqual, 7}));
  EXPECT_EQ(check("arg2 & PROT_EXEC"), (ArgumentCheck{2, Operator::kAnyBit, PROT_EXEC}));
  EXPECT_EQ(check("arg2 in PROT_READ|PROT_WRITE"), (ArgumentCheck{2, Operator::kNoOthers, 3}));
}

TEST(PolicyParser, Values) {
  const auto value = [](absl::string_view text) {
    return Rule(absl::StrCat("ioctl: arg1 == ", text)).any_of.at(0).at(0).value;
  };
  EXPECT_EQ(value("~PROT_EXEC"), ~uint64_t{4});
  EXPECT_EQ(value("~(PROT_EXEC | PROT_WRITE)"), ~uint64_t{6});
  EXPECT_EQ(value("0xffffffffffffffff"), UINT64_MAX);
  EXPECT_EQ(value("18446744073709551615"), UINT64_MAX);
  EXPECT_EQ(value("-1"), UINT64_MAX);
  EXPECT_EQ(value("~~5"), 5);
}

TEST(PolicyParser, AndBindsTighterThanOr) {
  const SyscallRule rule = Rule("prctl: arg0 == 1 && arg1 == 2 || arg0 == 3; return EPERM");
  EXPECT_EQ(rule.any_of.size(), 2);
  EXPECT_EQ(rule.any_of.at(0).size(), 2);
  EXPECT_EQ(rule.any_of.at(1), (std::vector<ArgumentCheck>{{0, Operator::kEqual, 3}}));
  EXPECT_EQ(rule.otherwise, (SyscallAction{.kind = Kind::kErrno, .error = EPERM}));
}

TEST(PolicyParser, SeveralCallsInOneLine) {
  const absl::StatusOr<Policy> policy = Parse("{ read, write ,close }: 1");
  ASSERT_EQ(policy.status(), absl::OkStatus());
  EXPECT_EQ(policy->rules.size(), 3);
}

TEST(PolicyParser, LinesGoOn) {
  EXPECT_EQ(Rule("ioctl: arg1 == 1 || \\\n  arg1 == 2").any_of.size(), 2);
  EXPECT_EQ(Rule("read: 1 \\").number, SYS_read);
}

TEST(PolicyParser, OtherArchitecturesAreLeftOut) {
  EXPECT_EQ(Rule("read[arch=x86_64]: 1").number, SYS_read);
  EXPECT_EQ(Rule("write[arch=arm,x86_64]: 1").number, SYS_write);
  // Calls that only others have.
  EXPECT_EQ(Parse("mmap2[arch=arm]: 1")->rules.size(), 0);
}

TEST(PolicyParser, DefaultIsForWhatNoRuleSays) {
  const absl::StatusOr<Policy> policy = Parse("ioctl: arg1 == 1\n@default return EPERM");
  ASSERT_EQ(policy.status(), absl::OkStatus());
  EXPECT_EQ(policy->fallback, (SyscallAction{.kind = Kind::kErrno, .error = EPERM}));
  EXPECT_EQ(policy->rules.at(0).otherwise, policy->fallback);
}

TEST(PolicyParser, FrequencyIsNotNeeded) {
  EXPECT_EQ(Rule("@frequency /x/y.frequency\nread: 1").number, SYS_read);
}

TEST(PolicyParser, IncludesFiles) {
  const PolicyInclude files = [](const std::string& name) -> absl::StatusOr<std::string> {
    return name == "a" ? "@include b\nread: 1\n" : "write: 1\n";
  };
  const absl::StatusOr<Policy> policy = ParsePolicy("@include a\nclose: 1", "p", files);
  ASSERT_EQ(policy.status(), absl::OkStatus());
  EXPECT_EQ(policy->rules.size(), 3);
  EXPECT_EQ(policy->rules.at(0).number, SYS_write);
}

TEST(PolicyParser, ErrorsNameTheIncludedFile) {
  const PolicyInclude files = [](const std::string&) { return "read: 1\nwrite: x\n"; };
  EXPECT_THAT(ParsePolicy("\n@include a", "p", files).status().message(),
              StartsWith("a:2: 'x' is no action"));
}

TEST(PolicyParser, ErrorsNameThePlaceAndWhatIsAccepted) {
  EXPECT_EQ(Error("read: 1\n\nreed: 1"),
            "p:3: 'reed' is no system call; a name such as read is accepted");
  EXPECT_EQ(Error("read 1"), "p:1: no : before '1'; CALL: FILTER is accepted");
  EXPECT_EQ(
      Error("read:"),
      "p:1: '' is no action; allow, 1, return ERROR, kill, kill-process, kill-thread, trap or "
      "log is accepted");
  EXPECT_EQ(Error("ioctl: arg6 == 1"), "p:1: 'arg6' is no argument; arg0 to arg5 is accepted");
  EXPECT_EQ(Error("ioctl: arg1 = 1"),
            "p:1: '=' is no comparison; ==, !=, <, <=, >, >=, & or in is accepted");
  EXPECT_EQ(Error("@bogus x"),
            "p:1: '@bogus' is no directive; @include, @default or @frequency is accepted");
  EXPECT_EQ(Error("read: return EBOGUS"),
            "p:1: 'EBOGUS' is no error; EPERM and the like, or 0 to 4095 is accepted");
  EXPECT_EQ(Error("@include f"), "p:1: f: No such file or directory");
}

TEST(PolicyParser, RefusesWhatItCannotHonour) {
  for (const absl::string_view text : {"read: trace",
                                       "read: user-notify",
                                       "@default allow",
                                       "@default",
                                       "@default kill\n@default kill",
                                       "read: 1\nread: 1",
                                       "read: 1 1",
                                       "ioctl: arg1 == FOO",
                                       "ioctl: arg1 == 09",
                                       "ioctl: arg1 == 0x",
                                       "ioctl: arg1 == 99999999999999999999",
                                       "ioctl: arg1 == (1",
                                       "ioctl: arg1 == 1 ||",
                                       "ioctl: arg1 == 1 &&",
                                       "ioctl: arg1 == 1; return",
                                       "{read, write: 1",
                                       "{}: 1",
                                       "read[arch=x86_64: 1",
                                       "read[x86_64]: 1",
                                       "read: return 4096",
                                       ": 1",
                                       "ioctl: arg1 == 1; 1; 1",
                                       "read: 1 && 1"}) {
    EXPECT_TRUE(absl::IsInvalidArgument(Parse(text).status())) << text;
  }
}

TEST(PolicyParser, SecondRulesNameTheFirst) {
  EXPECT_THAT(Error("read: 1\nwrite: 1\nread: 1"), HasSubstr("'read' has a rule at p:1 already"));
}

TEST(PolicyParser, Bounds) {
  const PolicyInclude itself = [](const std::string&) { return "@include p"; };
  EXPECT_THAT(ParsePolicy("@include p", "p", itself).status().message(),
              HasSubstr("too many files within files"));
  EXPECT_THAT(Error(std::string(kMaxPolicyBytes + 1, '#')), HasSubstr("too long"));
  std::string many = "ioctl: arg1 == 1";
  for (size_t i = 0; i < kMaxAlternatives; ++i) absl::StrAppend(&many, " || arg1 == 1");
  EXPECT_THAT(Error(many), HasSubstr("too many ||"));
  std::string deep = "ioctl: arg1 == 1";
  for (size_t i = 0; i < kMaxChecks; ++i) absl::StrAppend(&deep, " && arg1 == 1");
  EXPECT_THAT(Error(deep), HasSubstr("too many &&"));
  EXPECT_THAT(Error(absl::StrCat("ioctl: arg1 == ", std::string(1000, '('))),
              HasSubstr("too many ( and ~"));
}

}  // namespace
}  // namespace touchstone
