#include "integration/testing/vm.h"

#include <memory>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/match.h"
#include "absl/time/time.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "integration/testing/child_process.h"
#include "integration/testing/guest_command.h"
#include "integration/testing/runfiles.h"

namespace touchstone {
namespace {

using ::testing::HasSubstr;

constexpr absl::Duration kLong = absl::Seconds(30);
constexpr absl::Duration kShort = absl::Milliseconds(50);

std::unique_ptr<Vm> Fake(ChildProcess::Streams streams = ChildProcess::Streams::kPipes) {
  return *Vm::Start({Runfile("integration/testing/fake_guest.sh")}, streams);
}

std::unique_ptr<Vm> ReadyFake() {
  std::unique_ptr<Vm> vm = Fake();
  vm->AwaitReady(kLong).IgnoreError();
  return vm;
}

TEST(VmTest, AwaitReadyReturnsTheRelease) {
  auto vm = Fake();

  const absl::StatusOr<std::string> release = vm->AwaitReady(kLong);

  ASSERT_TRUE(release.ok()) << release.status();
  EXPECT_EQ(*release, "6.1-fake");
}

TEST(VmTest, ExpectReturnsTheFirstGroupOrTheMatch) {
  auto vm = Fake();

  EXPECT_EQ(*vm->Expect("Linux (v[a-z]+)", kLong), "version");
  EXPECT_EQ(*vm->Expect("log.n: ", kLong), "login: ");
}

TEST(VmTest, ExpectGoesOnBehindTheLastMatch) {
  auto vm = ReadyFake();

  const absl::StatusOr<std::string> again = vm->Expect("Linux version", kShort);

  EXPECT_EQ(again.status().code(), absl::StatusCode::kDeadlineExceeded);
}

TEST(VmTest, TimeoutSaysWhatWasExpectedAndCarriesConsoleAndStandardError) {
  auto vm = ReadyFake();

  const absl::Status status = vm->Expect("never said", kShort).status();

  EXPECT_THAT(status.message(), HasSubstr("waited in vain for `never said` on the console"));
  EXPECT_THAT(status.message(), HasSubstr("\n[    0.000000] Linux version\n"));
  EXPECT_THAT(status.message(), HasSubstr("\na message of the program\n"));
}

TEST(VmTest, TimeoutHoldsForAConsoleThatNeverFallsSilent) {
  auto vm = *Vm::Start({"sh", "-c", "while true; do echo line; sleep 0.001; done"});

  const absl::Status status = vm->Expect("never said", kShort).status();

  EXPECT_EQ(status.code(), absl::StatusCode::kDeadlineExceeded);
}

TEST(VmTest, InvalidPatternIsAnError) {
  auto vm = Fake();

  EXPECT_EQ(vm->Expect("(", kLong).status().code(), absl::StatusCode::kInvalidArgument);
}

TEST(VmTest, ExpectEndsWhenTheProgramDoes) {
  auto vm = *Vm::Start({"sh", "-c", "echo panic; exit 9"});

  const absl::Status status = vm->Expect("login:", kLong).status();

  EXPECT_EQ(status.code(), absl::StatusCode::kUnavailable);
  EXPECT_THAT(status.message(), HasSubstr("the program ended with status 9 before `login:`"));
  EXPECT_THAT(status.message(), HasSubstr("panic"));
}

TEST(VmTest, RunReturnsOutputAndStatus) {
  auto vm = ReadyFake();

  const absl::StatusOr<CommandResult> result = vm->Run("echo one; echo two >&2; exit 4", kLong);

  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_EQ(result->output, "one\ntwo\n");
  EXPECT_EQ(result->status, 4);
}

TEST(VmTest, RunKeepsAnOutputWithoutNewline) {
  auto vm = ReadyFake();

  EXPECT_EQ(vm->Run("printf abc", kLong)->output, "abc");
  EXPECT_EQ(vm->Run("true", kLong)->output, "");
}

TEST(VmTest, RunRunsInATerminalToo) {
  auto vm = Fake(ChildProcess::Streams::kTerminal);
  ASSERT_TRUE(vm->Expect("on a terminal", kLong).ok());
  ASSERT_TRUE(vm->AwaitReady(kLong).ok());

  EXPECT_EQ(vm->Run("echo hi", kLong)->output, "hi\n");
}

TEST(VmTest, MangledAnswersAreAskedForAgain) {
  auto vm = ReadyFake();

  const absl::StatusOr<CommandResult> result = vm->Run("mangle 3", kLong);

  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_EQ(result->output, "mangled text\n");
}

TEST(VmTest, AnswersThatAreAlwaysMangledAreDataLoss) {
  auto vm = ReadyFake();

  EXPECT_EQ(vm->Run("mangle 100", kLong).status().code(), absl::StatusCode::kDataLoss);
}

TEST(VmTest, RunGivesUpOnACommandThatHangs) {
  auto vm = ReadyFake();

  const absl::Status status = vm->Run("hang", kShort).status();

  EXPECT_EQ(status.code(), absl::StatusCode::kDeadlineExceeded);
  EXPECT_THAT(status.message(), HasSubstr("the end of `hang`"));
}

TEST(VmTest, WaitReturnsTheStatusOfAGuestThatPowersOff) {
  auto vm = ReadyFake();

  ASSERT_TRUE(vm->RunWithoutAnswer("poweroff -f").ok());

  EXPECT_EQ(*vm->Wait(kLong), 3);
}

TEST(VmTest, StopTerminatesAndKillKills) {
  auto stopped = *Vm::Start({"sleep", "100"});
  auto killed = *Vm::Start({"sleep", "100"});

  killed->Kill();

  EXPECT_EQ(*stopped->Stop(kLong), 143);
  EXPECT_EQ(*killed->Wait(kLong), 137);
}

TEST(VmTest, WaitGivesUpWithTheConsole) {
  auto vm = ReadyFake();

  const absl::Status status = vm->Wait(kShort).status();

  EXPECT_EQ(status.code(), absl::StatusCode::kDeadlineExceeded);
  EXPECT_THAT(status.message(), HasSubstr("Linux version"));
}

}  // namespace
}  // namespace touchstone
