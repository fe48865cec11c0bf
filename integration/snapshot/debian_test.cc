// A Debian guest that writes to a disk and to its memory: saved in the middle of it, killed, and
// done with it in another process.

#include <filesystem>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "integration/boot/linux_guest.h"
#include "integration/control/controlled_machine.h"
#include "integration/testing/runfiles.h"
#include "integration/testing/vm.h"
#include "integration/virtio/block_host.h"

namespace touchstone {
namespace {

using ::testing::HasSubstr;

class DebianSnapshotTest : public testing::Test {
 protected:
  std::unique_ptr<Vm> Start(std::vector<std::string> options) {
    options.push_back("--socket=" + Path("socket"));
    options.push_back("--block=" + disk_);
    return StartLinux(kCloudKernel, {.cpus = 2,
                                     .memory_mib = 256,
                                     .initrd = Runfile("integration/snapshot/disk_initramfs.cpio"),
                                     .options = std::move(options)});
  }
  std::string Path(const std::string& name) const {
    return absl::StrCat(folder_.path(), "/", name);
  }

  const ShortFolder folder_;
  const std::string disk_ = MakeExt4Disk(Path("disk"), 64);
};

TEST_F(DebianSnapshotTest, TheGuestFinishesItsWork) {
  std::unique_ptr<Vm> vm = Start({});
  const absl::StatusOr<std::string> release = vm->AwaitReady(kBootLimit);
  ASSERT_TRUE(release.ok()) << release.status();
  EXPECT_EQ(Say(*vm, "mkdir -p /run/disk && mount -t ext4 /dev/vda /run/disk"), "");
  EXPECT_EQ(Say(*vm, "head -c 8000000 /dev/urandom > /run/kept && md5sum /run/kept > /run/sum"),
            "");
  EXPECT_EQ(Say(*vm,
                "(for i in 1 2 3 4; do head -c 1000000 /dev/urandom > /run/disk/$i; "
                "md5sum /run/disk/$i >> /run/sums; sync; done; echo > /run/done) "
                "> /run/log 2>&1 & until [ -s /run/sums ]; do sleep 0.1; done"),
            "");

  // The disk is not part of the snapshot: nobody writes to it any more.
  EXPECT_EQ(Control({"suspend", "--full", Path("socket")}), Said{0});
  EXPECT_EQ(Control({"snapshot", "take", Path("snapshot"), Path("socket")}), Said{0});
  vm->Kill();
  std::filesystem::remove(Path("socket"));
  vm = Start({"--restore=" + Path("snapshot")});

  EXPECT_EQ(Say(*vm, "until [ -e /run/done ]; do sleep 0.1; done; cat /run/log"), "");
  EXPECT_EQ(Say(*vm,
                "echo 3 > /proc/sys/vm/drop_caches; grep -c . /run/sums; md5sum -c /run/sums "
                "/run/sum | grep -vc OK$"),
            "4\n0\n");
  EXPECT_EQ(
      Say(*vm, "dmesg | grep -E 'EXT4-fs (error|warning)|I/O error|lockup|stall|backwards|BUG:'"),
      "");
  EXPECT_EQ(Say(*vm, "head -c 100 /dev/hwrng | wc -c; nproc; umount /run/disk; echo $?"),
            "100\n2\n0\n");
  ASSERT_TRUE(vm->RunWithoutAnswer("poweroff -f").ok());
  EXPECT_EQ(vm->Wait(kCommandLimit).value_or(-1), 0);
  EXPECT_THAT(Control({"snapshot", "check", Path("snapshot")}).out, HasSubstr("vcpus      2\n"));
}

}  // namespace
}  // namespace touchstone
