// A Debian kernel boots under touchstone, runs commands and powers off. One boot for all that is
// asked of the guest.

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "gtest/gtest.h"
#include "integration/testing/guest_command.h"
#include "integration/testing/runfiles.h"
#include "integration/testing/vm.h"

namespace touchstone {
namespace {

constexpr absl::Duration kBoot = absl::Seconds(120);
constexpr absl::Duration kCommand = absl::Seconds(30);

TEST(LinuxBootTest, BootsRunsCommandsAndPowersOff) {
  auto vm =
      *Vm::Start({Runfile("vmm/touchstone"), "run", "--params", "console=ttyS0 quiet panic=-1",
                  "--initrd", Runfile("integration/images/test_initramfs.cpio"),
                  Runfile("external/debian_cloud_kernel/vmlinuz")});

  const absl::StatusOr<std::string> release = vm->AwaitReady(kBoot);
  ASSERT_TRUE(release.ok()) << release.status();

  absl::StatusOr<CommandResult> result = vm->Run("uname -r; exit 5", kCommand);
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_EQ(result->output, *release + "\n");
  EXPECT_EQ(result->status, 5);

  // More than any queue of the serial port holds at once.
  result = vm->Run("seq 1 200", kCommand);
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_EQ(result->output.size(), 692u);

  ASSERT_TRUE(vm->RunWithoutAnswer("poweroff -f").ok());
  const absl::StatusOr<int> status = vm->Wait(kCommand);
  ASSERT_TRUE(status.ok()) << status.status();
  EXPECT_EQ(*status, 0);
}

}  // namespace
}  // namespace touchstone
