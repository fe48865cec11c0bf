// `touchstone console`: terminals, and programs, at the console of a machine that runs.

#include <signal.h>
#include <stdlib.h>
#include <termios.h>

#include <memory>
#include <string>
#include <vector>

#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "integration/control/controlled_machine.h"
#include "integration/testing/child_process.h"
#include "integration/testing/runfiles.h"
#include "integration/testing/terminal_run.h"

namespace touchstone {
namespace {

using ::testing::HasSubstr;

constexpr char kDetach[] = "\x1D";

std::vector<std::string> Console(const ControlledMachine& machine,
                                 const std::vector<std::string>& options = {}) {
  std::vector<std::string> command = {Runfile("vmm/touchstone"), "console"};
  command.insert(command.end(), options.begin(), options.end());
  command.push_back(machine.socket());
  return command;
}

// A guest that sends back what it gets, and powers off at a q.
class ConsoleTest : public testing::Test {
 protected:
  void SetUp() override { ASSERT_TRUE(machine_.Await("ready\n")); }

  ControlledMachine machine_{"end_guest", "echo"};
};

TEST_F(ConsoleTest, ATerminalTalksToTheGuestUntilItEnds) {
  TerminalRun terminal(Console(machine_), "/");
  ASSERT_TRUE(terminal.Await("attached to COM1; Ctrl-] detaches")) << terminal.output();

  // Ctrl-C is the guest's.
  terminal.Type("hello\x03world");
  EXPECT_TRUE(terminal.Await("hello\x03world")) << terminal.output();
  EXPECT_TRUE(machine_.Await("hello\x03world"));
  terminal.Type("q");

  EXPECT_EQ(terminal.Wait(0), 0);
  EXPECT_EQ(ModeOf(terminal.terminal()), terminal.mode_before());
  EXPECT_EQ(machine_.End(), 0);
  EXPECT_EQ(machine_.child().errors(), "");
}

TEST_F(ConsoleTest, DetachingRestoresTheTerminalAndLeavesTheGuest) {
  for (const char* const word : {"first", "second"}) {
    TerminalRun terminal(Console(machine_), "/");
    ASSERT_TRUE(terminal.Await("attached to COM1")) << terminal.output();
    terminal.Type(word);
    EXPECT_TRUE(terminal.Await(word));

    terminal.Type(kDetach);

    EXPECT_EQ(terminal.Wait(0), 0);
    EXPECT_EQ(ModeOf(terminal.terminal()), terminal.mode_before());
  }
  EXPECT_TRUE(machine_.Await("firstsecond"));
  EXPECT_EQ(Control({"stop", machine_.socket()}), Said{0});
  EXPECT_EQ(machine_.End(), 0);
}

TEST_F(ConsoleTest, ASignalRestoresTheTerminalToo) {
  TerminalRun terminal(Console(machine_), "/");
  ASSERT_TRUE(terminal.Await("attached to COM1")) << terminal.output();
  terminal.Type("x");
  ASSERT_TRUE(terminal.Await("x"));

  EXPECT_EQ(terminal.Wait(SIGTERM), 128 + SIGTERM);

  EXPECT_EQ(ModeOf(terminal.terminal()), terminal.mode_before());
  EXPECT_EQ(Control({"stop", machine_.socket()}), Said{0});
}

TEST_F(ConsoleTest, SeveralSeeTheSame) {
  TerminalRun one(Console(machine_, {"--index=0"}), "/");
  TerminalRun two(Console(machine_, {"--index", "0"}), "/");
  ASSERT_TRUE(one.Await("attached to COM1"));
  ASSERT_TRUE(two.Await("attached to COM1"));

  one.Type("from one");
  EXPECT_TRUE(two.Await("from one"));
  two.Type("from two");
  EXPECT_TRUE(one.Await("from two"));
  EXPECT_EQ(Control({"stop", machine_.socket()}), Said{0});

  EXPECT_EQ(one.Wait(0), 0);
  EXPECT_EQ(two.Wait(0), 0);
}

TEST_F(ConsoleTest, AMachineThatIsKilledEndsIt) {
  TerminalRun terminal(Console(machine_), "/");
  ASSERT_TRUE(terminal.Await("attached to COM1"));

  machine_.child().Signal(SIGKILL);

  EXPECT_EQ(terminal.Wait(0), 0);
  EXPECT_EQ(ModeOf(terminal.terminal()), terminal.mode_before());
}

// A program that never looks loses what it does not take; nobody else does.
TEST_F(ConsoleTest, AClientThatStandsStillHoldsUpNobody) {
  TerminalRun idle(Console(machine_), "/");
  ASSERT_TRUE(idle.Await("attached to COM1"));
  TerminalRun active(Console(machine_), "/");
  ASSERT_TRUE(active.Await("attached to COM1"));

  for (int i = 0; i < 20; ++i) {
    const std::string line = std::string(200, 'a') + std::to_string(100 + i);
    active.Type(line);
    ASSERT_TRUE(active.Await(line)) << i;
  }

  EXPECT_TRUE(machine_.Await("a119"));
  EXPECT_EQ(Control({"stop", machine_.socket()}), Said{0});
}

TEST(ConsoleErrorTest, WhatCannotBeAttachedIsNamed) {
  const ShortFolder folder;
  ControlledMachine machine("end_guest", "echo",
                            {"--serial=type=stdout,hardware=serial,num=1",
                             "--serial=type=sink,hardware=virtio-console,num=1,console=true"});
  ASSERT_TRUE(machine.Await("ready\n"));

  const Said taken = Control({"console", machine.socket()});
  const Said none = Control({"console", "--index=9", machine.socket()});
  const Said nowhere = Control({"console", folder.path() + "/none"});

  EXPECT_EQ(taken.status, 1);
  EXPECT_THAT(taken.err, HasSubstr("virtio-console 1"));
  EXPECT_THAT(taken.err, HasSubstr("--index=0: COM1"));
  EXPECT_EQ(none.status, 1);
  EXPECT_THAT(none.err, HasSubstr("there is no --serial 9"));
  EXPECT_EQ(nowhere.status, 1);
  EXPECT_THAT(nowhere.err, HasSubstr("No such file or directory"));
  EXPECT_EQ(Control({"console"}).status, 35);
  EXPECT_EQ(Control({"stop", machine.socket()}), Said{0});
}

}  // namespace
}  // namespace touchstone
