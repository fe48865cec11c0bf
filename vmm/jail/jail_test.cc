// What a jailed program can do: next to nothing. Each attempt is made by jail_probe, under AllowAll
// (what namespaces, root and capabilities hold back) and under the policy of the rng, the smallest
// (what the filter does).

#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <string>
#include <tuple>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "base/scoped_fd.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "vmm/jail/builtin_policies.h"
#include "vmm/jail/jail_testing.h"

namespace touchstone {
namespace {

using ::testing::AllOf;
using ::testing::AnyOf;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

constexpr unsigned int kUser = 65533;

Policy Strict() { return *BuiltinPolicy("rng_device"); }

std::string Describe(const ProbeOutcome& outcome) {
  return absl::StrCat(outcome.confined.ToString(), " | ", outcome.line, " | ",
                      outcome.end.ToString());
}

// --- With all system calls allowed.

class JailWithoutFilter : public testing::TestWithParam<const char*> {};

TEST_P(JailWithoutFilter, FailsForRoot) {
  const ProbeOutcome outcome = RunProbe(GetParam(), AllowAll());
  EXPECT_EQ(outcome.confined, absl::OkStatus());
  EXPECT_THAT(outcome.line, AnyOf(StartsWith("E"), "none"));
}

TEST_P(JailWithoutFilter, FailsForAnOrdinaryUser) {
  const std::string outcome =
      AsUser(kUser, [] { return Describe(RunProbe(GetParam(), AllowAll())); });
  if (outcome == "not root") GTEST_SKIP() << "the test above was one of an ordinary user";
  EXPECT_THAT(outcome, AnyOf(StartsWith("OK | E"), StartsWith("OK | none")));
}

INSTANTIATE_TEST_SUITE_P(Attempts, JailWithoutFilter,
                         testing::Values("open", "open_self", "create", "mkdir", "up", "tcp",
                                         "unix", "interface", "exec", "process_vm_readv", "mount",
                                         "umount", "chroot", "setuid_other", "kill", "reboot"));

TEST(Jail, HasNoPrivileges) {
  const ProbeOutcome outcome = RunProbe("privileges", AllowAll());
  EXPECT_EQ(outcome.line, "own 0 bounding 0 ambient 0 no_new_privs 1 dumpable 0 pid 1");
}

TEST(Jail, HasNoPrivilegesOfAnOrdinaryUser) {
  const std::string outcome = AsUser(kUser, [] { return RunProbe("privileges", AllowAll()).line; });
  EXPECT_THAT(outcome,
              AnyOf("own 0 bounding 0 ambient 0 no_new_privs 1 dumpable 0 pid 1", "not root"));
}

TEST(Jail, HasTheDescriptorsOfTheMapOnly) {
  const int canary = open("/dev/null", O_RDONLY);  // Without close-on-exec.
  const ProbeOutcome outcome = RunProbe("descriptors", AllowAll());
  close(canary);
  EXPECT_EQ(outcome.line, "0 1 2 3 5 6");
}

TEST(Jail, HasNothingOfTheParentsMemory) {
  std::string canary = "cnry";
  for (int i = 0; i < 1000; ++i) absl::StrAppend(&canary, "-7f", i);
  const std::string attempt =
      absl::StrCat("peek ", absl::Hex(reinterpret_cast<uintptr_t>(canary.data())));
  const ProbeOutcome outcome = RunProbe(attempt, AllowAll());
  EXPECT_EQ(outcome.confined, absl::OkStatus());
  EXPECT_FALSE(outcome.line.empty());
  EXPECT_THAT(outcome.line, Not(HasSubstr("cnry")));
}

TEST(Jail, RootIsTheGivenDirectoryReadOnly) {
  char directory[] = "/tmp/pivot_root.XXXXXX";
  ASSERT_NE(mkdtemp(directory), nullptr);
  ASSERT_EQ(chmod(directory, 0755), 0);
  EXPECT_EQ(RunProbe("list", AllowAll(), directory).line, "ok");
  EXPECT_EQ(RunProbe("create", AllowAll(), directory).line, "EROFS");
  EXPECT_EQ(RunProbe("open", AllowAll(), directory).line, "ENOENT");
  rmdir(directory);
}

// Known escapes, 89: nothing is written there, and what somebody has put there leads nowhere else.
TEST(Jail, LinksInTheGivenDirectoryDoNotLeadOut) {
  char directory[] = "/tmp/pivot_root.XXXXXX";
  ASSERT_NE(mkdtemp(directory), nullptr);
  ASSERT_EQ(chmod(directory, 0755), 0);
  const std::string link = absl::StrCat(directory, "/etc");
  for (const char* target : {"/etc", "../../../../etc"}) {
    SCOPED_TRACE(target);
    ASSERT_EQ(symlink(target, link.c_str()), 0);
    EXPECT_EQ(RunProbe("open", AllowAll(), directory).line, "ELOOP");
    ASSERT_EQ(unlink(link.c_str()), 0);
  }
  EXPECT_EQ(rmdir(directory), 0);  // It is as empty as before.
}

TEST(Jail, RootIsEmptyWhereNoDirectoryIs) {
  EXPECT_EQ(RunProbe("list", AllowAll(), "/nowhere/at/all").line, "ok");
  EXPECT_EQ(RunProbe("open", AllowAll(), "/nowhere/at/all").line, "ENOENT");
}

TEST(Jail, RootMustBeADirectory) {
  EXPECT_THAT(RunProbe("nothing", AllowAll(), "/dev/null").confined.message(),
              "--pivot-root: /dev/null is not a directory");
  EXPECT_THAT(RunProbe("nothing", AllowAll(), "tmp").confined.message(),
              "--pivot-root: 'tmp' is not an absolute path");
}

// --- With the filter.

struct Forbidden {
  const char* attempt;
  const char* call;
};

void PrintTo(const Forbidden& forbidden, std::ostream* out) { *out << forbidden.attempt; }

// Of any device.
class JailWithFilter
    : public testing::TestWithParam<std::tuple<const char* /*policy*/, Forbidden>> {};

TEST_P(JailWithFilter, KillsAndNamesTheCall) {
  const auto& [policy, forbidden] = GetParam();
  const ProbeOutcome outcome = RunProbe(forbidden.attempt, *BuiltinPolicy(policy));
  EXPECT_EQ(outcome.confined, absl::OkStatus());
  EXPECT_EQ(outcome.line, "");
  EXPECT_TRUE(absl::IsPermissionDenied(outcome.end));
  EXPECT_THAT(outcome.end.message(),
              StartsWith(absl::StrCat("probe was killed: its policy does not allow system call ",
                                      forbidden.call, " (")));
}

INSTANTIATE_TEST_SUITE_P(
    Attempts, JailWithFilter,
    testing::Combine(testing::Values("balloon_device", "block_device", "net_device", "rng_device",
                                     "serial_device", "vsock_device"),
                     testing::Values(Forbidden{"mkdir", "mkdir"}, Forbidden{"tcp", "socket"},
                                     Forbidden{"unix", "socket"}, Forbidden{"fork", "fork"},
                                     Forbidden{"clone", "clone"}, Forbidden{"exec", "execve"},
                                     Forbidden{"execveat", "execveat"},
                                     Forbidden{"ptrace", "ptrace"},
                                     Forbidden{"process_vm_readv", "process_vm_readv"},
                                     Forbidden{"mount", "mount"}, Forbidden{"umount", "umount2"},
                                     Forbidden{"chroot", "chroot"},
                                     Forbidden{"setuid", "setresuid"},
                                     Forbidden{"unshare", "unshare"}, Forbidden{"kill", "kill"},
                                     Forbidden{"reboot", "reboot"}, Forbidden{"code", "mmap"})));

TEST(Jail, FilterAnswersHarmlessAttempts) {
  EXPECT_EQ(RunProbe("open", Strict()).line, "ENOENT");
  EXPECT_EQ(RunProbe("clone3", Strict()).line, "ENOSYS");
  EXPECT_EQ(RunProbe("tty", Strict()).line, "ENOTTY");
}

TEST(Jail, FilterLetsThreadsWork) {
  const ProbeOutcome outcome = RunProbe("thread", Strict());
  EXPECT_EQ(outcome.line, "ok");
  EXPECT_EQ(outcome.end, absl::OkStatus());
}

// Known escapes, 90: the way to die must not need a forbidden call.
TEST(Jail, AbortDiesOfItself) {
  const ProbeOutcome outcome = RunProbe("abort", Strict());
  EXPECT_TRUE(absl::IsAborted(outcome.end));
  EXPECT_THAT(outcome.end.message(), StartsWith("probe was killed by signal"));
}

TEST(Jail, FilterKillsForAnotherHandler) {
  const ProbeOutcome outcome = RunProbe("handler", Strict());
  EXPECT_EQ(outcome.line, "");
  EXPECT_TRUE(absl::IsPermissionDenied(outcome.end));
}

TEST(Jail, LogsInsteadWhenThePolicySaysSo) {
  Policy policy = Strict();
  policy.fallback = {.kind = SyscallAction::Kind::kLog};
  EXPECT_EQ(RunProbe("mkdir", policy).line, "EROFS");
}

// --- The process.

TEST(JailedProcess, EndsWithItsOwner) {
  ScopedFd result;  // Open as long as the process lives.
  {
    ProbeRequest probe("sleep", AllowAll());
    absl::StatusOr<JailedProcess> process = Spawn(probe.request());
    ASSERT_EQ(process.status(), absl::OkStatus());
    EXPECT_EQ(process->AwaitConfined(absl::Seconds(30)), absl::OkStatus());
    result = probe.TakeResult();
    pollfd hang_up = {.fd = result.get(), .events = POLLIN};
    EXPECT_EQ(poll(&hang_up, 1, 0), 0);
  }
  pollfd hang_up = {.fd = result.get(), .events = POLLIN};
  EXPECT_EQ(poll(&hang_up, 1, 0), 1);
}

TEST(JailedProcess, DiesWithItsParent) {
  // A parent that is gone at once, and a pipe that the child holds open.
  int ends[2];
  ASSERT_EQ(pipe(ends), 0);
  const pid_t parent = fork();
  if (parent == 0) {
    ProbeRequest probe("sleep", AllowAll());
    SpawnRequest request = probe.request();
    request.fds.Set(7, ends[1]);
    absl::StatusOr<JailedProcess> process = Spawn(std::move(request));
    _exit(process.ok() && process->AwaitConfined(absl::Seconds(30)).ok() ? 0 : 1);
  }
  close(ends[1]);
  char byte;
  pollfd wait = {.fd = ends[0], .events = POLLIN};
  EXPECT_EQ(poll(&wait, 1, 30000), 1);
  EXPECT_EQ(read(ends[0], &byte, 1), 0);
  close(ends[0]);
}

TEST(JailedProcess, ADescriptorTellsOfTheEnd) {
  ProbeRequest probe("crash", AllowAll());
  absl::StatusOr<JailedProcess> process = Spawn(probe.request());
  ASSERT_EQ(process.status(), absl::OkStatus());
  pollfd wait = {.fd = process->ended_fd(), .events = POLLIN};
  EXPECT_EQ(poll(&wait, 1, 30000), 1);
  EXPECT_EQ(process->AwaitConfined(absl::Seconds(1)), absl::OkStatus());
  EXPECT_TRUE(absl::IsAborted(process->AwaitEnd()));
  EXPECT_EQ(process->AwaitEnd(), process->AwaitEnd());
}

TEST(JailedProcess, KillIsSeenAsSuch) {
  ProbeRequest probe("sleep", AllowAll());
  absl::StatusOr<JailedProcess> process = Spawn(probe.request());
  ASSERT_EQ(process.status(), absl::OkStatus());
  process->Kill();
  EXPECT_THAT(process->AwaitEnd().message(), "probe was killed by signal 9 (Killed)");
}

TEST(Spawn, AProgramThatDoesNotConfineItselfIsAnError) {
  SpawnRequest request = {.name = "true", .executable = "/bin/true", .arguments = {"true"}};
  absl::StatusOr<JailedProcess> process = Spawn(std::move(request));
  ASSERT_EQ(process.status(), absl::OkStatus());
  EXPECT_THAT(process->AwaitConfined(absl::Seconds(30)).message(),
              "the jail of true was not set up: it ended");
}

TEST(Spawn, AMissingProgramIsAnError) {
  SpawnRequest request = {.name = "x", .executable = "/nowhere/x", .arguments = {"x"}};
  EXPECT_THAT(Spawn(std::move(request)).status().message(), HasSubstr("/nowhere/x"));
}

TEST(Spawn, NotAProgramIsAnError) {
  SpawnRequest request = {.name = "x", .executable = "/dev/null", .arguments = {"x"}};
  absl::StatusOr<JailedProcess> process = Spawn(std::move(request));
  ASSERT_EQ(process.status(), absl::OkStatus());
  EXPECT_THAT(process->AwaitConfined(absl::Seconds(30)).message(),
              HasSubstr("execveat: Permission denied; --disable-sandbox"));
}

// In a user namespace that may have none below it.
std::string SpawnWithoutNamespaces() {
  if (unshare(CLONE_NEWUSER) != 0) return "no user namespace";
  const ScopedFd limit(open("/proc/sys/user/max_user_namespaces", O_WRONLY | O_CLOEXEC));
  if (write(limit.get(), "0", 1) != 1) return "no limit";
  ProbeRequest probe("nothing", AllowAll());
  return std::string(Spawn(probe.request()).status().message());
}

TEST(Spawn, ForbiddenNamespacesAreExplained) {
  const std::string outcome = AsUser(kUser, SpawnWithoutNamespaces);
  EXPECT_THAT(outcome, AnyOf(AllOf(StartsWith("the sandbox's namespaces: clone3: "),
                                   HasSubstr("--disable-sandbox")),
                             "not root"));
}

}  // namespace
}  // namespace touchstone
