#include "vmm/jail/spawn_server.h"

#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "vmm/jail/builtin_policies.h"
#include "vmm/jail/jail_testing.h"

namespace touchstone {
namespace {

using ::testing::HasSubstr;

constexpr absl::Duration kLong = absl::Seconds(30);

SpawnServer::Program Probe(const std::string& attempt) {
  const SpawnRequest request = ProbeRequest(attempt, AllowAll()).request();
  return {.executable = request.executable, .arguments = request.arguments};
}

std::string ReadAll(int fd) {
  std::string text(64, '\0');
  const ssize_t size = read(fd, text.data(), text.size());
  text.resize(size > 0 ? static_cast<size_t>(size) : 0);
  return text;
}

TEST(SpawnServerTest, StartsTheProgramAgainAndAgain) {
  const auto server = SpawnServer::Start(Probe("privileges"));
  ASSERT_TRUE(server.ok());
  for (int i = 0; i < 3; ++i) {
    ProbeRequest probe("", AllowAll());

    absl::StatusOr<JailedProcess> process = (*server)->Spawn("probe", probe.request().fds);

    ASSERT_TRUE(process.ok()) << process.status();
    const ScopedFd result = probe.TakeResult();
    EXPECT_EQ(process->AwaitConfined(kLong), absl::OkStatus());
    EXPECT_EQ(ReadAll(result.get()), "own 0 bounding 0 ambient 0 no_new_privs 1 dumpable 0 pid 1");
    EXPECT_EQ(process->AwaitEnd(), absl::OkStatus());
  }
}

TEST(SpawnServerTest, AChildHasTheDescriptorsOfItsMapOnly) {
  const auto server = SpawnServer::Start(Probe("descriptors"));
  ASSERT_TRUE(server.ok());
  ProbeRequest first("", AllowAll());
  ProbeRequest second("", AllowAll());
  FdMap many = second.request().fds;
  for (int number = 10; number < 10 + 2 * static_cast<int>(FdSocket::kMaxFds); ++number) {
    many.Set(number, STDERR_FILENO);
  }

  const auto few = (*server)->Spawn("few", first.request().fds);
  auto more = (*server)->Spawn("more", many);

  ASSERT_TRUE(few.ok() && more.ok());
  const ScopedFd result = first.TakeResult();
  EXPECT_EQ(ReadAll(result.get()), "0 1 2 3 5 6");
  const ScopedFd other = second.TakeResult();
  std::string expected = "0 1 2 3 5 6";
  for (int number = 10; number < 74; ++number) absl::StrAppend(&expected, " ", number);
  EXPECT_EQ(more->AwaitConfined(kLong), absl::OkStatus());
  EXPECT_EQ(more->AwaitEnd(), absl::OkStatus());
  std::string said(512, '\0');
  said.resize(static_cast<size_t>(read(other.get(), said.data(), said.size())));
  EXPECT_EQ(said, expected);
}

TEST(SpawnServerTest, TooManyDescriptorsAreRefused) {
  const auto server = SpawnServer::Start(Probe("nothing"));
  ASSERT_TRUE(server.ok());
  FdMap fds;
  for (int i = 0; i <= static_cast<int>(SpawnServer::kMaxFds); ++i) fds.Set(i, STDERR_FILENO);
  EXPECT_EQ((*server)->Spawn("probe", fds).status().message(),
            "the jail of probe: 513 descriptors, at most 512 can be given");
}

TEST(SpawnServerTest, TellsWhichSystemCallAChildDiedFor) {
  const auto server = SpawnServer::Start(Probe("ptrace"));
  ASSERT_TRUE(server.ok());
  ProbeRequest probe("", *BuiltinPolicy("rng_device"));
  absl::StatusOr<JailedProcess> process = (*server)->Spawn("probe", probe.request().fds);
  ASSERT_TRUE(process.ok());
  EXPECT_EQ(process->AwaitEnd(),
            absl::PermissionDeniedError(
                "probe was killed: its policy does not allow system call ptrace (101)"));
}

TEST(SpawnServerTest, KillsWhatIsKilledOrDropped) {
  const auto server = SpawnServer::Start(Probe("sleep"));
  ASSERT_TRUE(server.ok());
  ProbeRequest first("", AllowAll());
  ProbeRequest second("", AllowAll());
  absl::StatusOr<JailedProcess> killed = (*server)->Spawn("killed", first.request().fds);
  ASSERT_TRUE(killed.ok());
  ASSERT_EQ(killed->AwaitConfined(kLong), absl::OkStatus());
  pollfd ended = {.fd = killed->ended_fd(), .events = POLLIN};
  EXPECT_EQ(poll(&ended, 1, 0), 0);

  killed->Kill();

  EXPECT_EQ(poll(&ended, 1, 30000), 1);
  EXPECT_EQ(killed->AwaitEnd(), absl::AbortedError("killed was killed by signal 9 (Killed)"));
  EXPECT_EQ(killed->AwaitEnd(), absl::AbortedError("killed was killed by signal 9 (Killed)"));
  // Whose end the pipe tells.
  {
    absl::StatusOr<JailedProcess> dropped = (*server)->Spawn("dropped", second.request().fds);
    ASSERT_TRUE(dropped.ok());
    ASSERT_EQ(dropped->AwaitConfined(kLong), absl::OkStatus());
  }
  const ScopedFd result = second.TakeResult();
  EXPECT_EQ(ReadAll(result.get()), "");
}

TEST(SpawnServerTest, AProgramThatIsNotThereIsAnErrorAtOnce) {
  EXPECT_EQ(SpawnServer::Start({.executable = "/nowhere/probe"}).status().message(),
            "open /nowhere/probe: No such file or directory");
}

TEST(SpawnServerTest, WhatCannotBeStartedSaysWhy) {
  const auto server = SpawnServer::Start({.executable = "/dev/null", .arguments = {"probe"}});
  ASSERT_TRUE(server.ok());
  ProbeRequest probe("", AllowAll());
  absl::StatusOr<JailedProcess> process = (*server)->Spawn("probe", probe.request().fds);
  ASSERT_TRUE(process.ok());
  EXPECT_THAT(process->AwaitConfined(kLong).message(),
              HasSubstr("the jail of probe: execveat: Permission denied"));
}

// As where user namespaces are forbidden.
TEST(SpawnServerTest, WhatTheHostRefusesSaysWhy) {
  const std::string root = absl::StrCat(testing::TempDir(), "/root");
  ASSERT_EQ(mkdir(root.c_str(), 0755), 0);
  const auto server = SpawnServer::Start({.arguments = {"probe"}, .pivot_root = root});
  ASSERT_TRUE(server.ok());
  ASSERT_EQ(rmdir(root.c_str()), 0);
  ASSERT_EQ(symlink("/dev/null", root.c_str()), 0);
  ProbeRequest probe("", AllowAll());
  absl::StatusOr<JailedProcess> process = (*server)->Spawn("probe", probe.request().fds);
  ASSERT_TRUE(process.ok());

  const absl::Status confined = process->AwaitConfined(kLong);

  EXPECT_EQ(confined, absl::FailedPreconditionError(
                          absl::StrCat("probe: --pivot-root: ", root, " is not a directory")));
  EXPECT_EQ(process->AwaitEnd(), confined);
  unlink(root.c_str());
}

TEST(SpawnServerTest, ChildrenGoWithTheServer) {
  ProbeRequest probe("", AllowAll());
  absl::StatusOr<std::unique_ptr<SpawnServer>> server = SpawnServer::Start(Probe("sleep"));
  ASSERT_TRUE(server.ok());
  absl::StatusOr<JailedProcess> process = (*server)->Spawn("probe", probe.request().fds);
  ASSERT_TRUE(process.ok());
  ASSERT_EQ(process->AwaitConfined(kLong), absl::OkStatus());

  server->reset();

  const ScopedFd result = probe.TakeResult();
  EXPECT_EQ(ReadAll(result.get()), "");
  EXPECT_EQ(process->AwaitEnd().message(), "probe: the process that keeps it is gone");
}

TEST(SpawnServerTest, ARootThatIsNoneIsAnErrorAtOnce) {
  EXPECT_EQ(SpawnServer::Start({.pivot_root = "tmp"}).status().message(),
            "--pivot-root: 'tmp' is not an absolute path");
}

// As an ordinary user, who has user namespaces or hears that he has not.
TEST(SpawnServerTest, WorksForAnOrdinaryUser) {
  const std::string outcome = AsUser(65533, [] {
    const auto server = SpawnServer::Start(Probe("privileges"));
    if (!server.ok()) return std::string(server.status().message());
    ProbeRequest probe("", AllowAll());
    absl::StatusOr<JailedProcess> process = (*server)->Spawn("probe", probe.request().fds);
    if (!process.ok()) return std::string(process.status().message());
    return absl::StrCat(process->AwaitConfined(kLong).ToString(), process->AwaitEnd().ToString());
  });
  if (outcome == "not root") GTEST_SKIP() << "the tests above were an ordinary user's";
  EXPECT_EQ(outcome, "OKOK");
}

}  // namespace
}  // namespace touchstone
