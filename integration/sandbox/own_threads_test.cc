// The threads of the program itself, once a guest runs.

#include <sys/types.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "integration/control/controlled_machine.h"

namespace touchstone {
namespace {

using ::testing::AllOf;
using ::testing::Each;
using ::testing::HasSubstr;
using ::testing::SizeIs;

// /proc/PID/task/*/status, without the thread that some kernels put there for KVM.
std::vector<std::string> ThreadsOf(pid_t pid) {
  std::vector<std::string> threads;
  for (const auto& thread :
       std::filesystem::directory_iterator(absl::StrCat("/proc/", pid, "/task"))) {
    std::ifstream file(thread.path() / "status");
    std::string status{std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
    if (!absl::StartsWith(status, "Name:\tkvm-")) threads.push_back(std::move(status));
  }
  return threads;
}

TEST(OwnThreadsTest, AreAllConfined) {
  ControlledMachine machine("end_guest", "halt", {"--pivot-root=/var/empty", "--cpus=3"});
  ASSERT_TRUE(machine.Await("ready\n"));
  // The main thread is confined before it looks at anything.
  EXPECT_EQ(Control({"suspend", machine.socket()}), Said{.status = 0});

  const std::vector<std::string> threads = ThreadsOf(machine.child().pid());

  EXPECT_THAT(threads, SizeIs(4));
  EXPECT_THAT(threads, Each(AllOf(HasSubstr("Seccomp:\t2"), HasSubstr("NoNewPrivs:\t1"),
                                  HasSubstr("CapEff:\t0000000000000000"),
                                  HasSubstr("CapPrm:\t0000000000000000"))));
  // Each its own.
  EXPECT_THAT(threads, Each(HasSubstr("Seccomp_filters:\t1")));

  EXPECT_EQ(Control({"resume", machine.socket()}), Said{.status = 0});
  EXPECT_EQ(Control({"stop", machine.socket()}), Said{.status = 0});
  EXPECT_EQ(machine.End(), 0);
  EXPECT_FALSE(std::filesystem::exists(machine.socket()));
  EXPECT_EQ(machine.child().errors(), "");
}

TEST(OwnThreadsTest, AreFreeWithoutTheSandbox) {
  ControlledMachine machine("end_guest", "halt", {"--pivot-root=/var/empty", "--disable-sandbox"});
  ASSERT_TRUE(machine.Await("ready\n"));
  EXPECT_THAT(ThreadsOf(machine.child().pid()), Each(HasSubstr("Seccomp:\t0")));
}

}  // namespace
}  // namespace touchstone
