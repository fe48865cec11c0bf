// Commands to a machine with a Debian guest: what the guest's kernel makes of them.

#include <sys/types.h>
#include <unistd.h>

#include <filesystem>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "integration/boot/linux_guest.h"
#include "integration/control/controlled_machine.h"
#include "integration/testing/runfiles.h"
#include "integration/testing/test_files.h"
#include "integration/testing/vm.h"

namespace touchstone {
namespace {

using ::testing::AnyOf;
using ::testing::ContainsRegex;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

// Longer than what the guest's watchdog is told to take for a lock-up, twice its threshold.
constexpr absl::Duration kPause = absl::Seconds(8);

class DebianTest : public testing::Test {
 protected:
  void Boot(std::vector<std::string> options) {
    options.push_back("--socket=" + socket_);
    vm_ = StartLinux(kCloudKernel, {.cpus = 2,
                                    .memory_mib = 256,
                                    .initrd = Runfile("integration/control/control_initramfs.cpio"),
                                    .options = std::move(options)});
    const absl::StatusOr<std::string> release = vm_->AwaitReady(kBootLimit);
    ASSERT_TRUE(release.ok()) << release.status();
    // The driver of both buttons, and files that their events can be read from.
    EXPECT_EQ(Say(*vm_, "modprobe button && modprobe evdev"), "");
  }
  Said Tell(const std::string& command) { return Control({command, socket_}); }
  // The guest's file with the events of a button; its driver is called LNXPWRBN or LNXSLPBN.
  std::string EventsOf(const std::string& driver) {
    std::string path =
        Say(*vm_, absl::StrCat("cd /sys/class/input; for e in event*; do grep -q ", driver,
                               " $e/device/phys && echo -n /dev/input/$e; ", "done; true"));
    return path;
  }
  // Seconds since the guest's boot.
  double Uptime() {
    double seconds = -1;
    const std::string text = Say(*vm_, "cut -d' ' -f1 /proc/uptime");
    EXPECT_TRUE(absl::SimpleAtod(text.substr(0, text.find('\n')), &seconds)) << text;
    return seconds;
  }
  void PowerOff() {
    ASSERT_TRUE(vm_->RunWithoutAnswer("poweroff -f").ok());
    EXPECT_EQ(vm_->Wait(kCommandLimit).value_or(-1), 0);
  }

  const ShortFolder folder_;
  const std::string socket_ = folder_.path() + "/socket";
  std::unique_ptr<Vm> vm_;
};

// Type, code and value of the next event of a button, as a shell writes it to a file.
std::string ReadEvent(const std::string& events) {
  return absl::StrCat("rm -f /run/listening /run/event; (exec 3< ", events,
                      "; touch /run/listening; head -c 24 <&3 | od -An -tu2 -j16 -N6 > /run/event) "
                      "> /dev/null 2>&1 & until [ -e /run/listening ]; do sleep 0.1; done");
}

// Policy and priority of a vCPU's thread; proc(5), fields 41 and 40 of stat.
std::vector<std::string> SchedulingOf(pid_t pid, const std::string& thread) {
  for (const auto& task :
       std::filesystem::directory_iterator(absl::StrCat("/proc/", pid, "/task"))) {
    if (ReadFile(task.path() / "comm") != thread + "\n") continue;
    const std::vector<std::string> fields = absl::StrSplit(ReadFile(task.path() / "stat"), ' ');
    return {fields.at(40), fields.at(39)};
  }
  return {};
}

TEST_F(DebianTest, PausesButtonsBalloonAndRealTime) {
  ASSERT_NO_FATAL_FAILURE(Boot({"--rt-cpus=1", "--delay-rt"}));

  EXPECT_EQ(Say(*vm_, "echo 3 > /proc/sys/kernel/watchdog_thresh; dmesg -c > /dev/null"), "");
  const double before = Uptime();
  EXPECT_EQ(Tell("suspend"), Said{0});
  absl::SleepFor(kPause);
  EXPECT_EQ(Tell("resume"), Said{0});
  EXPECT_GE(Uptime(), before);
  absl::SleepFor(absl::Seconds(1));
  EXPECT_EQ(Say(*vm_, "dmesg | grep -iE 'lockup|stall|backwards'"), "");

  // With the devices, while one is at work.
  EXPECT_EQ(Say(*vm_, "(head -c 20000 /dev/hwrng | wc -c > /run/random) > /dev/null 2>&1 &"), "");
  EXPECT_EQ(Control({"suspend", "--full", socket_}), Said{0});
  EXPECT_EQ(Tell("resume").status, 1);
  EXPECT_EQ(Control({"resume", "--full", socket_}), Said{0});
  EXPECT_EQ(Say(*vm_, "until [ -s /run/random ]; do sleep 0.1; done; cat /run/random"), "20000\n");

  // EV_KEY, KEY_POWER, pressed.
  EXPECT_EQ(Say(*vm_, ReadEvent(EventsOf("LNXPWRBN"))), "");
  EXPECT_EQ(Tell("powerbtn"), Said{0});
  EXPECT_THAT(Say(*vm_, "until [ -s /run/event ]; do sleep 0.1; done; cat /run/event"),
              ContainsRegex("^ +1 +116 +1\n$"));

  EXPECT_EQ(Control({"balloon", "33554432", socket_, "--wait"}), Said{0});
  const Said statistics = Tell("balloon_stats");
  EXPECT_EQ(statistics.status, 0) << statistics;
  EXPECT_THAT(statistics.out, ContainsRegex("^\\{\n  \"BalloonStats\": \\{\n    \"stats\": \\{\n"
                                            "      \"swap_in\": [0-9]+,\n"));
  EXPECT_THAT(statistics.out, HasSubstr("\n    },\n    \"balloon_actual\": 33554432\n  }\n}\n"));
  EXPECT_EQ(Control({"balloon", "0", socket_, "--wait"}), Said{0});

  // Others than root may be refused.
  EXPECT_THAT(SchedulingOf(vm_->pid(), "vcpu1"), ElementsAre("0", "0"));
  const int status = Tell("make_rt").status;
  EXPECT_THAT(status, AnyOf(0, geteuid() == 0 ? 0 : 1));
  EXPECT_THAT(SchedulingOf(vm_->pid(), "vcpu1")[0], status == 0 ? "2" : "0");
  EXPECT_EQ(SchedulingOf(vm_->pid(), "vcpu0")[0], "0");
  PowerOff();
}

TEST_F(DebianTest, SuspendToIdle) {
  ASSERT_NO_FATAL_FAILURE(Boot({"--s2idle"}));
  EXPECT_THAT(Say(*vm_, "cat /sys/power/mem_sleep"), HasSubstr("[s2idle]"));
  EXPECT_EQ(Say(*vm_, "cat /sys/bus/acpi/devices/PNP0D80:00/hid"), "PNP0D80\n");

  // What a desktop does when the button is pressed.
  EXPECT_EQ(Say(*vm_, absl::StrCat("(touch /run/listening; while head -c 24 ", EventsOf("LNXSLPBN"),
                                   " > /run/press; do echo mem > /sys/power/state; ",
                                   "echo woke > /dev/console; done) > /run/log 2>&1 & ",
                                   "sleep 1; cat /run/log")),
            "");
  const double before = Uptime();
  for (int i = 0; i < 2; ++i) {
    EXPECT_EQ(Tell("suspend"), Said{0});
    absl::SleepFor(absl::Seconds(1));
    EXPECT_EQ(Tell("resume"), Said{0});
    const absl::StatusOr<std::string> woke = vm_->Expect("^woke\n", kCommandLimit);
    ASSERT_TRUE(woke.ok()) << woke.status();
  }

  EXPECT_EQ(Say(*vm_, "cat /sys/power/suspend_stats/success /sys/power/suspend_stats/fail"),
            "2\n0\n");
  EXPECT_GE(Uptime(), before);
  PowerOff();
}

}  // namespace
}  // namespace touchstone
