// Commands to a running machine: what they do, what they print and how they exit.

#include <signal.h>
#include <stdlib.h>

#include <filesystem>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "integration/control/controlled_machine.h"
#include "integration/testing/runfiles.h"

namespace touchstone {
namespace {

using std::filesystem::exists;

const Said& Silent() {
  static const auto& silent = *new Said{.status = 0};
  return silent;
}

TEST(ControlTest, StopEndsTheRunInOrder) {
  ControlledMachine machine("end_guest", "halt", {"--balloon-page-reporting"});
  ASSERT_TRUE(machine.Await("ready\n"));
  ASSERT_TRUE(exists(machine.socket()));

  EXPECT_EQ(Control({"stop", machine.socket()}), Silent());

  EXPECT_EQ(machine.End(), 0);
  EXPECT_EQ(machine.child().output(), "ready\n");
  EXPECT_EQ(machine.child().errors(), "");
  EXPECT_FALSE(exists(machine.socket()));
}

TEST(ControlTest, ASignalRemovesTheSocket) {
  ControlledMachine machine("end_guest", "halt");
  ASSERT_TRUE(machine.Await("ready\n"));

  machine.child().Signal(SIGTERM);

  EXPECT_EQ(machine.End(), 0);
  EXPECT_FALSE(exists(machine.socket()));
}

TEST(ControlTest, AGuestThatPowersOffRemovesTheSocket) {
  ControlledMachine machine("end_guest", "off");

  EXPECT_EQ(machine.End(), 0);
  EXPECT_FALSE(exists(machine.socket()));
}

TEST(ControlTest, ADirectoryGetsASocketOfTheProcess) {
  ControlledMachine machine("end_guest", "halt", {}, ControlledMachine::Socket::kFolder);
  ASSERT_TRUE(machine.Await("ready\n"));

  EXPECT_EQ(Control({"stop", machine.socket()}), Silent());

  EXPECT_EQ(machine.End(), 0);
  EXPECT_FALSE(exists(machine.socket()));
}

// A machine that was killed leaves its socket, with nobody behind it.
TEST(ControlTest, AfterAKillNeitherClientsNorMachinesUseTheSocket) {
  ControlledMachine machine("end_guest", "halt");
  ASSERT_TRUE(machine.Await("ready\n"));
  machine.child().Signal(SIGKILL);
  EXPECT_EQ(machine.End(), 128 + SIGKILL);

  const Said client = Control({"stop", machine.socket()});
  const Said second = Control(
      {"run", "--socket", machine.socket(), Runfile("integration/guests/end_guest"), "-p", "off"});

  EXPECT_EQ(
      client,
      (Said{1, "",
            absl::StrCat("touchstone: connect to ", machine.socket(), ": Connection refused\n")}));
  EXPECT_EQ(second, (Said{1, "",
                          absl::StrCat("touchstone: --socket: listen at ", machine.socket(),
                                       ": the file exists\n")}));
  EXPECT_TRUE(exists(machine.socket()));
}

TEST(ControlTest, WithoutASocketThereIsNothingToCommand) {
  const ShortFolder folder;
  const std::string path = folder.path() + "/none";

  EXPECT_EQ(Control({"stop", path}),
            (Said{1, "",
                  absl::StrCat("touchstone: connect to ", path, ": No such file or directory\n")}));
}

}  // namespace
}  // namespace touchstone
