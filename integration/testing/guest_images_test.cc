// The guests of integration/images boot under an emulator and do what they promise.

#include <fstream>
#include <iterator>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/str_format.h"
#include "absl/time/time.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "integration/testing/guest_command.h"
#include "integration/testing/runfiles.h"
#include "integration/testing/vm.h"

namespace touchstone {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

constexpr absl::Duration kBoot = absl::Seconds(120);
constexpr absl::Duration kCommand = absl::Seconds(30);

std::unique_ptr<Vm> Boot(const std::string& kernel, const std::string& initramfs) {
  return *Vm::Start(
      {"qemu-system-x86_64",
       "-nodefaults",
       "-no-user-config",
       "-display",
       "none",
       "-no-reboot",
       "-machine",
       "q35",
       "-accel",
       "tcg",
       "-cpu",
       "max",
       "-m",
       "512",
       "-serial",
       "stdio",
       "-device",
       "virtio-rng-pci",
       "-drive",
       "if=virtio,format=raw,readonly=on,file=" + Runfile("integration/images/test_disk.img"),
       "-device",
       "pvpanic-pci",
       "-kernel",
       Runfile(kernel),
       "-initrd",
       Runfile(initramfs),
       "-append",
       "console=ttyS0 panic=-1"});
}

struct Guest {
  const char* kernel;
  const char* initramfs;
};

class TestGuestTest : public ::testing::TestWithParam<Guest> {};

TEST_P(TestGuestTest, BootsAndRunsCommands) {
  auto vm = Boot(GetParam().kernel, GetParam().initramfs);

  const absl::StatusOr<std::string> release = vm->AwaitReady(kBoot);
  ASSERT_TRUE(release.ok()) << release.status();

  absl::StatusOr<CommandResult> result = vm->Run("uname -r; exit 5", kCommand);
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_EQ(result->output, *release + "\n");
  EXPECT_EQ(result->status, 5);

  result = vm->Run("ls /sys/bus/virtio/drivers /sys/bus/pci/drivers", kCommand);
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_THAT(
      result->output,
      AllOf(HasSubstr("virtio_balloon\n"), HasSubstr("virtio_blk\n"), HasSubstr("virtio_console\n"),
            HasSubstr("virtio_net\n"), HasSubstr("virtio_rng\n"), HasSubstr("virtio-pci\n"),
            HasSubstr("pvpanic-pci\n"), HasSubstr("vmw_vsock_virtio_transport\n")));

  result = vm->Run("modprobe overlay && modprobe virtiofs && lsmod", kCommand);
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_THAT(result->output, AllOf(HasSubstr("overlay "), HasSubstr("fuse ")));

  result = vm->Run(
      "modprobe -q ext4; mount -t ext4 -o ro,noload /dev/vda /mnt && crc32 < /mnt/folder/config",
      kCommand);
  ASSERT_TRUE(result.ok()) << result.status();
  std::ifstream config(Runfile("external/debian_cloud_kernel/config"));
  const std::string content(std::istreambuf_iterator<char>(config), {});
  EXPECT_EQ(result->output, absl::StrFormat("%08x\n", Crc32(content)));

  // A kernel message of the highest level, in the middle of a long answer.
  result = vm->Run("(sleep 0.05; echo '<0>urgent' > /dev/kmsg) & seq 1 3000", kCommand);
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_EQ(result->output.size(), 13893u);

  ASSERT_TRUE(vm->RunWithoutAnswer("poweroff -f").ok());
  const absl::StatusOr<int> status = vm->Wait(kCommand);
  ASSERT_TRUE(status.ok()) << status.status();
  EXPECT_EQ(*status, 0);
}

INSTANTIATE_TEST_SUITE_P(Kernels, TestGuestTest,
                         ::testing::Values(Guest{"external/debian_cloud_kernel/vmlinux",
                                                 "integration/images/test_initramfs.cpio"},
                                           Guest{"external/debian_generic_kernel/vmlinux",
                                                 "integration/images/test_initramfs_generic.cpio"}),
                         [](const auto& info) { return info.index == 0 ? "Cloud" : "Generic"; });

TEST(DemoGuestTest, GivesAShellWithJobControlAndPowersOffWhenItIsLeft) {
  auto vm = Boot("external/debian_cloud_kernel/vmlinux", "integration/images/demo_initramfs.cpio");

  const absl::StatusOr<std::string> prompt = vm->Expect("root@touchstone:~# ", kBoot);
  ASSERT_TRUE(prompt.ok()) << prompt.status();

  // The terminal echoes what is typed; the answer differs from it.
  ASSERT_TRUE(vm->Send("tty; echo $((6 * 7))\n").ok());
  const absl::StatusOr<std::string> terminal = vm->Expect("\n(/dev/\\w+)\r?\n42\r?\n", kCommand);
  ASSERT_TRUE(terminal.ok()) << terminal.status();
  EXPECT_EQ(*terminal, "/dev/ttyS0");

  ASSERT_TRUE(vm->Send("sh -c 'echo $((6 * 8)); sleep 1000'\n").ok());
  const absl::StatusOr<std::string> asleep = vm->Expect("\n48\r?\n", kCommand);
  ASSERT_TRUE(asleep.ok()) << asleep.status();
  ASSERT_TRUE(vm->Send("\x03").ok());
  const absl::StatusOr<std::string> interrupted = vm->Expect("root@touchstone:~# ", kCommand);
  ASSERT_TRUE(interrupted.ok()) << interrupted.status();

  ASSERT_TRUE(vm->Send("exit\n").ok());
  const absl::StatusOr<int> status = vm->Wait(kCommand);
  ASSERT_TRUE(status.ok()) << status.status();
  EXPECT_EQ(*status, 0);
}

}  // namespace
}  // namespace touchstone
