// A Debian guest uses its platform: four serial ports, ACPI, clocks, interrupts, PCI; and a shell
// on the console takes what is piped and typed.

#include <algorithm>
#include <fstream>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "absl/algorithm/container.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/time/clock.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "integration/boot/linux_guest.h"
#include "integration/testing/child_process.h"
#include "integration/testing/runfiles.h"
#include "integration/testing/test_files.h"
#include "integration/testing/vm.h"

namespace touchstone {
namespace {

using ::testing::AllOf;
using ::testing::ContainsRegex;
using ::testing::HasSubstr;
using ::testing::Not;

constexpr absl::Duration kBulkLimit = absl::Seconds(400);

// All of it on one boot.
class GuestTest : public ::testing::TestWithParam<LinuxKernel> {
 protected:
  static void SetUpTestSuite() { std::ofstream(TemporaryPath("input")) << "a line for COM2\n"; }
  static LinuxOptions Options() {
    LinuxOptions options;
    options.options = {
        "--serial=stdout,num=1,stdin,console",
        absl::StrCat("--serial=file,num=2,path=", TemporaryPath("com2"),
                     ",input=", TemporaryPath("input")),
        absl::StrCat("--serial=file,num=3,path=", TemporaryPath("com3")),
        absl::StrCat("--serial=file,num=4,path=", TemporaryPath("com4")),
    };
    return options;
  }
};

void CheckPlatform(Vm& vm) {
  EXPECT_THAT(Say(vm, "cat /proc/interrupts"),
              AllOf(ContainsRegex("IO-APIC +4-edge +ttyS0"), ContainsRegex("IO-APIC +8-edge +rtc0"),
                    ContainsRegex("IO-APIC +5-fasteoi +acpi"), Not(HasSubstr("XT-PIC"))));
  EXPECT_EQ(Say(vm, "cat /sys/devices/system/clocksource/clocksource0/current_clocksource"),
            "kvm-clock\n");
  EXPECT_THAT(Say(vm, "cat /sys/devices/system/clocksource/clocksource0/available_clocksource"),
              AllOf(HasSubstr("kvm-clock"), HasSubstr("acpi_pm")));
  EXPECT_EQ(Say(vm, "cd /sys/firmware/acpi/tables; ls -d APIC DSDT FACP MCFG"),
            "APIC\nDSDT\nFACP\nMCFG\n");
  // The host bridge, the entropy device, the balloon and pvpanic.
  EXPECT_EQ(Say(vm, "cd /sys/bus/pci/devices; ls; cat */class; cat 0000:00:03.0/device"),
            "0000:00:00.0\n0000:00:01.0\n0000:00:02.0\n0000:00:03.0\n"
            "0x060000\n0x088000\n0x088000\n0xffff00\n0x0011\n");
  // The real-time clock: the same time as the kernel's, which started from it.
  EXPECT_EQ(Say(vm, "a=$(hwclock -r -u) && echo ${#a}"), Say(vm, "a=$(hwclock -u) && echo ${#a}"));
  EXPECT_EQ(Say(vm,
                "s=$(($(cat /sys/class/rtc/rtc0/since_epoch) - $(date +%s))); "
                "[ $s -ge -2 ] && [ $s -le 2 ]; echo $?"),
            "0\n");
}

void CheckSerialPorts(Vm& vm) {
  EXPECT_EQ(Say(vm, "cat /proc/tty/driver/serial | grep -c 'uart:16550A'"), "4\n");
  // The first to open the port: Linux forgets unread input at the last close.
  EXPECT_EQ(Say(vm, "head -n 1 < /dev/ttyS1"), "a line for COM2\n");
  EXPECT_EQ(Say(vm,
                "for i in 1 2 3; do stty -F /dev/ttyS$i raw -echo; "
                "echo from ttyS$i > /dev/ttyS$i; done"),
            "");
}

// Bytes of every value go in over the console and straight out again, with no repetition to hide a
// loss: 64 KiB each way, both ways at once.
void CheckBulk(Vm& vm) {
  constexpr size_t kSize = 65536;
  std::string data(kSize, '\0');
  std::mt19937 random(kSize);
  absl::c_generate(data, [&random] { return static_cast<char>(random()); });
  ASSERT_TRUE(vm.RunWithoutAnswer("echo bulk > /dev/console; "
                                  "head -c 65536 < /dev/console | tee /run/bulk > /dev/console")
                  .ok());
  const absl::StatusOr<std::string> start = vm.Expect("^bulk\n", kCommandLimit);
  ASSERT_TRUE(start.ok()) << start.status();

  const size_t before = vm.console().size();
  ASSERT_TRUE(vm.Send(data).ok());
  const absl::StatusOr<std::string> end = vm.Expect(R"(^#\d+=0 00000000 0\n)", kBulkLimit);
  ASSERT_TRUE(end.ok()) << end.status().code();

  EXPECT_EQ(Say(vm, "crc32 < /run/bulk; wc -c < /run/bulk"),
            absl::StrFormat("%08x\n%d\n", Crc32(data), kSize));
  const std::string echo = vm.console().substr(before, kSize);
  EXPECT_EQ(echo.size(), kSize);
  EXPECT_TRUE(echo == data) << "from byte "
                            << std::mismatch(echo.begin(), echo.end(), data.begin()).first -
                                   echo.begin();
}

TEST_P(GuestTest, UsesItsPlatform) {
  auto vm = StartLinux(GetParam(), Options());
  const absl::StatusOr<std::string> release = vm->AwaitReady(kBootLimit);
  ASSERT_TRUE(release.ok()) << release.status();

  CheckPlatform(*vm);
  CheckSerialPorts(*vm);
  CheckBulk(*vm);

  ASSERT_TRUE(vm->RunWithoutAnswer("poweroff -f").ok());
  const absl::StatusOr<int> status = vm->Wait(kCommandLimit);
  ASSERT_TRUE(status.ok()) << status.status();
  EXPECT_EQ(*status, 0);
  EXPECT_THAT(vm->errors(), Not(HasSubstr("dropped")));
  EXPECT_THAT(ReadFile(TemporaryPath("com2")), HasSubstr("from ttyS1"));
  EXPECT_THAT(ReadFile(TemporaryPath("com3")), HasSubstr("from ttyS2"));
  EXPECT_THAT(ReadFile(TemporaryPath("com4")), HasSubstr("from ttyS3"));
}

INSTANTIATE_TEST_SUITE_P(Cloud, GuestTest, ::testing::Values(kCloudKernel));

std::vector<std::string> DemoCommand() {
  return {Runfile("vmm/touchstone"), "run", "--params=quiet",
          absl::StrCat("--initrd=", Runfile("integration/images/demo_initramfs.cpio")),
          Runfile(kCloudKernel.bzimage)};
}

// A pipe whose writer is gone before the kernel has looked at the port.
TEST(DemoTest, ShellTakesAllOfWhatWasPipedAtTheStart) {
  const auto child = *ChildProcess::Start(DemoCommand(), ChildProcess::Streams::kPipes);

  ASSERT_TRUE(child->Write("echo all-$((6 * 7))-there; poweroff -f\n", kCommandLimit).ok());
  child->CloseInput();
  const absl::StatusOr<int> status = child->Wait(kBootLimit);

  ASSERT_TRUE(status.ok()) << status.status();
  EXPECT_EQ(*status, 0);
  EXPECT_THAT(child->output(), AllOf(HasSubstr("all-42-there"), Not(HasSubstr("not found"))));
}

TEST(DemoTest, CtrlCInterruptsTheGuestsCommand) {
  const auto vm = *Vm::Start(DemoCommand(), ChildProcess::Streams::kTerminal);
  const absl::StatusOr<std::string> prompt = vm->Expect("root@touchstone:~# ", kBootLimit);
  ASSERT_TRUE(prompt.ok()) << prompt.status();

  ASSERT_TRUE(vm->Send("sh -c 'echo $((6 * 8)); sleep 1000'\r").ok());
  const absl::StatusOr<std::string> asleep = vm->Expect("\n48\r?\n", kCommandLimit);
  ASSERT_TRUE(asleep.ok()) << asleep.status();
  ASSERT_TRUE(vm->Send("\x03").ok());
  const absl::StatusOr<std::string> interrupted =
      vm->Expect("\\^C\r?\n?.*root@touchstone:~# ", kCommandLimit);
  ASSERT_TRUE(interrupted.ok()) << interrupted.status();

  ASSERT_TRUE(vm->Send("exit\r").ok());
  EXPECT_EQ(vm->Wait(kCommandLimit).value_or(-1), 0);
}

}  // namespace
}  // namespace touchstone
