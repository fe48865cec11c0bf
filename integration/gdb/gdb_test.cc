// Debian's gdb on a machine of four vCPUs, whose bare-metal guest has debug information.

#include <cpuid.h>
#include <signal.h>
#include <stdlib.h>

#include <cstring>
#include <filesystem>
#include <iostream>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "hypervisor/kvm/probe.h"
#include "integration/testing/child_process.h"
#include "integration/testing/runfiles.h"

namespace touchstone {
namespace {

using testing::ContainsRegex;
using testing::HasSubstr;

// QEMU's emulation of AMD's virtualization loads a guest's debug registers without effect, and
// delivers INT3 past the hypervisor.
bool InsideQemuEmulation() {
  unsigned int eax = 0;
  char signature[13] = {};
  unsigned int parts[3] = {};
  __cpuid(0x40000000, eax, parts[0], parts[1], parts[2]);
  memcpy(signature, parts, sizeof(parts));
  return absl::string_view(signature) == "TCGTCGTCGTCG";
}

constexpr absl::Duration kLimit = absl::Seconds(120);

class GdbTest : public testing::Test {
 protected:
  GdbTest() : folder_("/tmp/gdb.XXXXXX") {
    EXPECT_NE(mkdtemp(folder_.data()), nullptr);
    socket_ = folder_ + "/socket";
  }
  ~GdbTest() override { std::filesystem::remove_all(folder_); }

  // A machine that waits for gdb, with a bare-metal guest.
  std::unique_ptr<ChildProcess> StartGuest(const std::string& parameters) {
    auto child = ChildProcess::Start(
        {Runfile("vmm/touchstone"), "run", "--mem=64", "--cpus=4", "--params", parameters,
         "--gdb-socket", socket_, Runfile("integration/guests/debug_guest")},
        ChildProcess::Streams::kPipes);
    EXPECT_TRUE(child.ok()) << child.status();
    AwaitSocket();
    return *std::move(child);
  }
  void AwaitSocket() const {
    const absl::Time deadline = absl::Now() + kLimit;
    while (!std::filesystem::exists(socket_) && absl::Now() < deadline) {
      absl::SleepFor(absl::Milliseconds(10));
    }
  }

  // A gdb that is connected and reads commands from its standard input.
  std::unique_ptr<ChildProcess> StartGdb() {
    auto gdb = ChildProcess::Start(
        {"gdb", "-q", "-nx", "-iex", "set confirm off", "-iex", "set pagination off", "-iex",
         "set width 0", "-iex", "set debuginfod enabled off", "-iex",
         absl::StrCat("set remotetimeout ", kLimit / absl::Seconds(1)), "-ex",
         absl::StrCat("target remote ", socket_), Runfile("integration/guests/debug_guest")},
        ChildProcess::Streams::kPipes);
    EXPECT_TRUE(gdb.ok()) << gdb.status();
    return *std::move(gdb);
  }
  // What gdb says to these commands, the last of which ends it.
  std::string Debug(std::vector<std::string> commands) {
    const std::unique_ptr<ChildProcess> gdb = StartGdb();
    commands.push_back("quit");
    EXPECT_TRUE(gdb->Write(absl::StrJoin(commands, "\n") + "\n", kLimit).ok());
    EXPECT_TRUE(gdb->Wait(kLimit).ok());
    return absl::StrCat(gdb->output(), gdb->errors());
  }

  std::string folder_;
  std::string socket_;
};

TEST_F(GdbTest, BreaksStepsPrintsAndShowsEveryVcpu) {
  if (InsideQemuEmulation()) GTEST_SKIP() << "no debug registers here";
  const std::unique_ptr<ChildProcess> machine = StartGuest("cpus=4");

  const std::string said = Debug({"break Visit",
                                  "continue",
                                  "print value",
                                  "info threads",
                                  "thread apply all backtrace",
                                  "delete",
                                  "hbreak Visit",
                                  "continue",
                                  "print value",
                                  "stepi",
                                  "step",
                                  "info registers rip cs cr3 mxcsr",
                                  "delete",
                                  "break Expect",
                                  "continue",
                                  "print (char*)name",
                                  "finish",
                                  "set var watched = 9",
                                  "delete",
                                  "continue"});

  EXPECT_THAT(said, ContainsRegex("Thread 1 hit Breakpoint 1, Visit \\(value=[^)]*1\\)"));
  EXPECT_THAT(said, HasSubstr("Thread 4 (vCPU 3)"));
  EXPECT_THAT(said, ContainsRegex("Thread 3 [^\n]*\n#0 [^\n]*Spin"));
  EXPECT_THAT(said, ContainsRegex("#1 +0x[0-9a-f]+ in GuestMain \\(\\)"));
  EXPECT_THAT(said, ContainsRegex("Breakpoint 2, Visit \\(value=[^)]*2\\)"));
  EXPECT_THAT(said, ContainsRegex("cr3 +0x[0-9a-f]+"));
  EXPECT_THAT(said, ContainsRegex("mxcsr +0x1f80"));
  EXPECT_THAT(said, HasSubstr("Breakpoint 3, Expect"));
  EXPECT_THAT(said, HasSubstr("\"own breakpoints\""));
  EXPECT_THAT(said, HasSubstr("exited normally"));
  EXPECT_EQ(machine->Wait(kLimit).value_or(-1), 0);
  EXPECT_THAT(machine->output(), HasSubstr("ok own breakpoints\nFAIL watched: got 0x9"));
  if (HasFailure()) std::cerr << said << machine->output() << machine->errors();
}

// Debug registers that watch data, and INT3s that leave the guest, need a processor.
TEST_F(GdbTest, WatchesDataAndLeavesTheGuestsOwnBreakpointsToIt) {
  if (InsideQemuEmulation() || ProbeKvm("/dev/kvm").kind != KvmKind::kHardware) {
    GTEST_SKIP() << "this KVM emulates";
  }
  const std::unique_ptr<ChildProcess> machine = StartGuest("int3");

  const std::string said =
      Debug({"break Visit", "break PowerOff", "break GuestMain", "break Expect", "break Print",
             "continue", "continue", "delete 3", "delete 5", "watch watched", "continue",
             "continue", "delete", "continue"});

  EXPECT_THAT(said, ContainsRegex("Old value = 0\nNew value = 1\n"));
  EXPECT_THAT(said, HasSubstr("exited normally"));
  EXPECT_EQ(machine->Wait(kLimit).value_or(-1), 0);
  EXPECT_THAT(machine->output(), HasSubstr("ok own breakpoints\nok watched\ndone\n"));
  if (HasFailure()) std::cerr << said << machine->output() << machine->errors();
}

TEST_F(GdbTest, InterruptsWritesMemoryAndDetaches) {
  const std::unique_ptr<ChildProcess> machine = StartGuest("wait");
  const std::unique_ptr<ChildProcess> gdb = StartGdb();
  const auto await = [](ChildProcess& child, const std::string& text) {
    const absl::Time deadline = absl::Now() + kLimit;
    while (child.output().find(text) == std::string::npos && absl::Now() < deadline) {
      child.Pump(absl::Milliseconds(100));
    }
    return child.output().find(text) != std::string::npos;
  };
  ASSERT_TRUE(gdb->Write("continue\n", kLimit).ok());
  ASSERT_TRUE(await(*machine, "done\n")) << machine->output() << gdb->output() << gdb->errors();

  gdb->Signal(SIGINT);
  ASSERT_TRUE(await(*gdb, "SIGINT")) << gdb->output() << gdb->errors();
  ASSERT_TRUE(gdb->Write("print released\nset var released = 2\ndetach\nquit\n", kLimit).ok());

  EXPECT_TRUE(gdb->Wait(kLimit).ok());
  EXPECT_THAT(gdb->output(), HasSubstr("$1 = 1"));
  EXPECT_THAT(gdb->output(), HasSubstr("detached"));
  EXPECT_EQ(machine->Wait(kLimit).value_or(-1), 0);
}

}  // namespace
}  // namespace touchstone
