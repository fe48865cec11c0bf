#include "integration/testing/child_process.h"

#include <signal.h>

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "gtest/gtest.h"

namespace touchstone {
namespace {

constexpr absl::Duration kLong = absl::Seconds(30);
constexpr auto kPipes = ChildProcess::Streams::kPipes;

std::unique_ptr<ChildProcess> Shell(const std::string& script,
                                    ChildProcess::Streams streams = kPipes) {
  return *ChildProcess::Start({"sh", "-c", script}, streams);
}

TEST(ChildProcessTest, WaitReturnsTheExitStatusAndAllOutput) {
  auto child = Shell("seq 1 20000; echo error >&2; exit 5");

  const absl::StatusOr<int> status = child->Wait(kLong);

  ASSERT_TRUE(status.ok()) << status.status();
  EXPECT_EQ(*status, 5);
  EXPECT_EQ(child->output().size(), 108894u);
  EXPECT_EQ(child->errors(), "error\n");
}

TEST(ChildProcessTest, KilledChildEndsWith128PlusItsSignal) {
  auto child = Shell("sleep 100");

  child->Signal(SIGKILL);

  EXPECT_EQ(*child->Wait(kLong), 128 + SIGKILL);
}

TEST(ChildProcessTest, MissingProgramEndsWith127AndSaysWhy) {
  auto child = *ChildProcess::Start({"/nonexistent/program"}, kPipes);

  EXPECT_EQ(*child->Wait(kLong), 127);
  EXPECT_EQ(child->errors(), "/nonexistent/program: No such file or directory\n");
}

TEST(ChildProcessTest, WaitGivesUpAfterItsTimeout) {
  auto child = Shell("sleep 100");

  const absl::StatusOr<int> status = child->Wait(absl::Milliseconds(20));

  EXPECT_EQ(status.status().code(), absl::StatusCode::kDeadlineExceeded);
}

TEST(ChildProcessTest, ChildWhoseOwnChildHoldsThePipesOpenHasEnded) {
  auto child = Shell("echo said; sleep 100 &");

  EXPECT_EQ(*child->Wait(kLong), 0);
  EXPECT_EQ(child->output(), "said\n");
}

TEST(ChildProcessTest, MoreThanAPipeHoldsGoesThroughBothWays) {
  auto child = Shell("cat");
  const std::string text(1 << 20, 'x');

  const absl::Status written = child->Write(text, kLong);
  child->CloseInput();

  EXPECT_TRUE(written.ok()) << written;
  EXPECT_EQ(*child->Wait(kLong), 0);
  EXPECT_EQ(child->output(), text);
}

TEST(ChildProcessTest, WriteGivesUpOnAChildThatDoesNotRead) {
  auto child = Shell("sleep 100");

  const absl::Status written = child->Write(std::string(1 << 20, 'x'), absl::Milliseconds(20));

  EXPECT_EQ(written.code(), absl::StatusCode::kDeadlineExceeded);
}

TEST(ChildProcessTest, WriteToAChildThatHasEndedIsAnError) {
  auto child = Shell("exit 0");
  ASSERT_TRUE(child->Wait(kLong).ok());

  EXPECT_FALSE(child->Write("text", kLong).ok());
}

TEST(ChildProcessTest, TerminalIsRawAndControlsTheChild) {
  auto child =
      Shell("read -r line < /dev/tty; printf \"got %s\\n\" \"$line\"; test -t 0 && test -t 1",
            ChildProcess::Streams::kTerminal);

  ASSERT_TRUE(child->Write("typed\n", kLong).ok());

  EXPECT_EQ(*child->Wait(kLong), 0);
  EXPECT_EQ(child->output(), "got typed\n");
}

TEST(ChildProcessTest, ResizedTerminalTellsTheChild) {
  auto child = Shell("trap 'stty size; exit 0' WINCH; echo ready; while :; do sleep 0.01; done",
                     ChildProcess::Streams::kTerminal);
  while (child->output() != "ready\n") child->Pump(kLong);

  ASSERT_TRUE(child->Resize(132, 50).ok());

  EXPECT_EQ(*child->Wait(kLong), 0);
  EXPECT_EQ(child->output(), "ready\n50 132\n");
}

}  // namespace
}  // namespace touchstone
