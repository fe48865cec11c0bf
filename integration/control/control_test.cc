// Commands to a running machine: what they do, what they print and how they exit.

#include <signal.h>
#include <stdlib.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "base/fd_socket.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "integration/control/controlled_machine.h"
#include "integration/testing/runfiles.h"

namespace touchstone {
namespace {

using std::filesystem::exists;
using ::testing::AllOf;
using ::testing::AnyOf;
using ::testing::HasSubstr;
using ::testing::Not;

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

TEST(ControlTest, StatusShowsTheMachineToPeople) {
  ControlledMachine machine("end_guest", "halt", {"--cpus", "2"});
  ASSERT_TRUE(machine.Await("ready\n"));

  const Said said = Control({"status", machine.socket()});

  EXPECT_EQ(said.status, 0);
  EXPECT_EQ(said.err, "");
  EXPECT_THAT(said.out, HasSubstr(", running, up "));
  EXPECT_THAT(said.out, HasSubstr("\n   1  running "));
  EXPECT_THAT(said.out, HasSubstr("exits to touchstone: "));
  EXPECT_THAT(said.out, AllOf(HasSubstr("hypervisor: "), HasSubstr("  exits ")));
  EXPECT_THAT(said.out, HasSubstr("rng (jailed)\n"));
}

TEST(ControlTest, StatusAsJsonHasTheCounts) {
  ControlledMachine machine("end_guest", "halt");
  ASSERT_TRUE(machine.Await("ready\n"));
  ASSERT_EQ(Control({"suspend", machine.socket()}), Silent());

  const Said said = Control({"status", "--json", machine.socket()});

  EXPECT_EQ(said.status, 0);
  EXPECT_THAT(said.out, HasSubstr("\"state\": \"suspended\""));
  EXPECT_THAT(said.out, HasSubstr("\"state\": \"waiting\""));
  // What it wrote to the console, at least.
  EXPECT_THAT(said.out, Not(HasSubstr("\"io\": 0,")));
  EXPECT_THAT(said.out, HasSubstr("\"address\": \"00:01.0\""));
}

TEST(ControlTest, MachinesOfAFolderAreListed) {
  ControlledMachine machine("end_guest", "halt", {}, ControlledMachine::Socket::kFolder);
  ASSERT_TRUE(machine.Await("ready\n"));
  const std::string folder = std::filesystem::path(machine.socket()).parent_path();

  const Said one = Control({"list", folder});
  machine.child().Signal(SIGKILL);
  machine.End();
  const Said none = Control({"list", folder});

  EXPECT_EQ(one.status, 0);
  EXPECT_THAT(one.out, HasSubstr("running              1     64 MiB"));
  EXPECT_THAT(one.out, HasSubstr(machine.socket() + "\n"));
  EXPECT_EQ(none.status, 0);
  EXPECT_EQ(none.out, "");
  EXPECT_THAT(none.err, HasSubstr(machine.socket()));
}

TEST(ControlTest, StatusOfNoMachineIsAnError) {
  const Said said = Control({"status", "/nowhere.sock"});

  EXPECT_EQ(said.status, 1);
  EXPECT_EQ(said.out, "");
  EXPECT_THAT(said.err, HasSubstr("/nowhere.sock"));
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

// Clock ticks (10 ms each) that the process has used.
int64_t TicksOf(pid_t pid) {
  std::ifstream file(absl::StrCat("/proc/", pid, "/stat"));
  std::string line;
  std::getline(file, line);
  const std::vector<std::string> fields =
      absl::StrSplit(line.substr(line.rfind(')') + 2), ' ');  // From field 3 on; proc(5).
  int64_t user = 0, system = 0;
  EXPECT_TRUE(absl::SimpleAtoi(fields.at(11), &user) && absl::SimpleAtoi(fields.at(12), &system));
  return user + system;
}

// A guest that talks all the time.
class TalkingGuestTest : public testing::Test {
 protected:
  Said Tell(const std::string& command) { return Control({command, machine_.socket()}); }
  Said TellFull(const std::string& command) {
    return Control({command, "--full", machine_.socket()});
  }
  bool Talks() {
    const size_t before = machine_.child().output().size();
    const absl::Time deadline = absl::Now() + kControlLimit;
    while (machine_.BytesWithin(absl::Milliseconds(50)) == 0 && absl::Now() < deadline) {
    }
    return machine_.child().output().size() > before;
  }
  // Nothing more comes, and nothing spins.
  void ExpectStill() {
    machine_.BytesWithin(absl::Milliseconds(100));  // What is in the pipe.
    const int64_t ticks = TicksOf(machine_.child().pid());
    EXPECT_EQ(machine_.BytesWithin(absl::Milliseconds(500)), 0u);
    EXPECT_LT(TicksOf(machine_.child().pid()) - ticks, 10);
  }
  void ExpectNoComplaint() {
    EXPECT_EQ(machine_.child().output().find("FAIL"), std::string::npos);
    EXPECT_EQ(machine_.child().errors(), "");
  }

  ControlledMachine machine_{"control_guest", ""};
};

TEST_F(TalkingGuestTest, SuspendAndResume) {
  ASSERT_TRUE(machine_.Await("ready\n."));
  for (int i = 0; i < 3; ++i) {
    EXPECT_EQ(Tell("suspend"), Silent());
    ExpectStill();
    EXPECT_EQ(Tell("resume"), Silent());
    EXPECT_TRUE(Talks());
  }

  EXPECT_EQ(Tell("stop"), Silent());
  EXPECT_EQ(machine_.End(), 0);
  ExpectNoComplaint();
}

TEST_F(TalkingGuestTest, DevicesThatSleepAreWokenByName) {
  ASSERT_TRUE(machine_.Await("ready\n."));
  EXPECT_EQ(TellFull("suspend"), Silent());
  ExpectStill();

  EXPECT_EQ(Tell("resume"),
            (Said{1, "unexpected response: error: Invalid argument\n",
                  "touchstone: resume: the devices sleep too; resume --full wakes them\n"}));
  ExpectStill();
  EXPECT_EQ(TellFull("resume"), Silent());

  EXPECT_TRUE(Talks());
}

TEST_F(TalkingGuestTest, ASuspendedMachineIsStopped) {
  ASSERT_TRUE(machine_.Await("ready\n."));
  EXPECT_EQ(TellFull("suspend"), Silent());

  EXPECT_EQ(Tell("stop"), Silent());

  EXPECT_EQ(machine_.End(), 0);
}

TEST_F(TalkingGuestTest, ASignalEndsASuspendedMachine) {
  ASSERT_TRUE(machine_.Await("ready\n."));
  EXPECT_EQ(Tell("suspend"), Silent());

  machine_.child().Signal(SIGTERM);

  EXPECT_EQ(machine_.End(), 0);
  EXPECT_FALSE(exists(machine_.socket()));
}

TEST_F(TalkingGuestTest, ButtonsAndEventsArrive) {
  ASSERT_TRUE(machine_.Await("ready\n."));

  EXPECT_EQ(Tell("powerbtn"), Silent());
  EXPECT_TRUE(machine_.Await("power button\n"));
  EXPECT_EQ(Tell("sleepbtn"), Silent());
  EXPECT_TRUE(machine_.Await("sleep button\n"));
  EXPECT_EQ(Control({"gpe", "0", machine_.socket()}), Silent());
  EXPECT_TRUE(machine_.Await("gpe 0\n"));
  EXPECT_EQ(Control({"gpe", "255", machine_.socket()}), Silent());
  EXPECT_TRUE(machine_.Await("gpe 255\n"));
  EXPECT_EQ(Control({"gpe", "256", machine_.socket()}).status, 35);
  EXPECT_EQ(Tell("make_rt"), Silent());
}

// Some say nothing, one says half of something, one says nothing but nonsense.
TEST_F(TalkingGuestTest, ClientsThatMisbehaveHoldUpNobody) {
  ASSERT_TRUE(machine_.Await("ready\n."));
  std::vector<FdSocket> clients;
  for (int i = 0; i < 100; ++i) {
    clients.push_back(FdSocket::Connect(machine_.socket(), FdSocket::Kind::kSeqPacket).value());
  }
  const uint8_t half[] = {0x08};
  ASSERT_TRUE(clients[0].Send(half).ok());
  const std::vector<uint8_t> garbage(4096, 0xFF);
  std::vector<uint8_t> answer(4096);
  for (int i = 0; i < 256; ++i) {
    ASSERT_TRUE(clients[1].Send(garbage).ok());
    ASSERT_GT(clients[1].Receive(absl::MakeSpan(answer)).value_or(0), 0u);
  }

  EXPECT_TRUE(Talks());
  EXPECT_EQ(Tell("status").status, 0);
  EXPECT_EQ(Tell("stop"), Silent());
  EXPECT_EQ(machine_.End(), 0);
  // A line for each of the two.
  const std::string& errors = machine_.child().errors();
  EXPECT_EQ(std::count(errors.begin(), errors.end(), '\n'), 2) << errors;
  EXPECT_THAT(errors, HasSubstr("a client sends what is no request"));
}

TEST_F(TalkingGuestTest, AButtonPressedMeanwhileArrivesAfterResume) {
  ASSERT_TRUE(machine_.Await("ready\n."));
  EXPECT_EQ(Tell("suspend"), Silent());
  EXPECT_EQ(Tell("powerbtn"), Silent());
  ExpectStill();

  EXPECT_EQ(Tell("resume"), Silent());

  EXPECT_TRUE(machine_.Await("power button\n"));
}

TEST(ControlTest, AMachineMayBeginSuspended) {
  ControlledMachine machine("control_guest", "", {"--suspended"});
  EXPECT_EQ(machine.BytesWithin(absl::Milliseconds(500)), 0u);

  EXPECT_EQ(Control({"resume", machine.socket()}), Silent());

  EXPECT_TRUE(machine.Await("ready\n."));
}

TEST(ControlTest, StandbyLastsUntilAButton) {
  ControlledMachine machine("control_guest", "standby");
  ASSERT_TRUE(machine.Await("standby\n"));
  EXPECT_EQ(machine.BytesWithin(absl::Milliseconds(500)), 0u);

  EXPECT_EQ(Control({"sleepbtn", machine.socket()}), Silent());

  EXPECT_TRUE(machine.Await("awake\n"));
}

// Policy and priority of the vCPU's thread; proc(5), fields 41 and 40 of stat.
std::vector<std::string> SchedulingOf(pid_t pid) {
  for (const auto& task :
       std::filesystem::directory_iterator(absl::StrCat("/proc/", pid, "/task"))) {
    std::ifstream file(task.path() / "stat");
    std::string line;
    std::getline(file, line);
    if (line.find("(vcpu0)") == std::string::npos) continue;
    const std::vector<std::string> fields = absl::StrSplit(line, ' ');
    return {fields.at(40), fields.at(39)};
  }
  return {};
}

TEST(ControlTest, RealTimeBeginsWhenItIsAskedFor) {
  ControlledMachine machine("end_guest", "halt", {"--rt-cpus=0", "--delay-rt"});
  ASSERT_TRUE(machine.Await("ready\n"));
  EXPECT_EQ(SchedulingOf(machine.child().pid()), (std::vector<std::string>{"0", "0"}));

  const Said said = Control({"make_rt", machine.socket()});

  // Whether this user may is the host's business; it is said either way.
  const Said refused = {
      1, "unexpected response: error: Operation not permitted\n",
      "touchstone: make_rt: vCPU 0: sched_setscheduler: Operation not permitted\n"};
  EXPECT_THAT(said, AnyOf(Silent(), refused));
  EXPECT_EQ(SchedulingOf(machine.child().pid())[0], said == Silent() ? "2" : "0");
}

}  // namespace
}  // namespace touchstone
