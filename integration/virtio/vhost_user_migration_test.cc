// A guest of QEMU's migrates while it works with a disk of ours: what the device writes to the
// guest's memory is in QEMU's log of dirty pages (vhost-user, "Migration"). QEMU emulates the
// processor, so there is no need of KVM.

#include <fcntl.h>
#include <unistd.h>

#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "base/scoped_fd.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "integration/boot/linux_guest.h"
#include "integration/testing/child_process.h"
#include "integration/testing/runfiles.h"
#include "integration/testing/test_files.h"
#include "integration/testing/vm.h"
#include "integration/virtio/qemu_monitor.h"
#include "integration/virtio/served_device.h"
#include "integration/virtio/socket_folder.h"

namespace touchstone {
namespace {

using testing::HasSubstr;

constexpr char kQemu[] = "/usr/bin/qemu-system-x86_64";
constexpr int64_t kDiskSize = 16 << 20;
constexpr absl::Duration kPatience = absl::Minutes(3);

// A disk of ours and a QEMU with it.
class Machine {
 public:
  Machine(const SocketFolder& folder, const std::string& name, const std::string& image,
          std::vector<std::string> more)
      : disk_(folder, "block", {absl::StrCat("--block=", image)}), monitor_(folder.File(name)) {
    std::vector<std::string> line = {
        kQemu,
        "-M",
        "q35,memory-backend=memory",
        "-accel",
        "tcg",
        "-m",
        "256M",
        "-object",
        "memory-backend-memfd,id=memory,size=256M,share=on",
        "-nodefaults",
        "-display",
        "none",
        "-serial",
        "stdio",
        "-no-reboot",
        "-monitor",
        absl::StrCat("unix:", monitor_, ",server=on,wait=off"),
        "-chardev",
        absl::StrCat("socket,id=disk,path=", disk_.socket()),
        "-device",
        "vhost-user-blk-pci,chardev=disk,num-queues=1,queue-size=1024",
        "-kernel",
        Runfile(kCloudKernel.bzimage),
        "-initrd",
        Runfile("integration/virtio/all_devices_initramfs.cpio"),
        "-append",
        "console=ttyS0 quiet",
    };
    line.insert(line.end(), more.begin(), more.end());
    vm_ = Vm::Start(line).value();
  }

  Vm& vm() { return *vm_; }
  [[nodiscard]] const std::string& monitor() const { return monitor_; }
  // QEMU goes, and the device after it.
  absl::StatusOr<int> End() {
    vm_->Kill();
    return disk_.process().Wait(kPatience);
  }
  [[nodiscard]] const std::string& errors() { return disk_.process().errors(); }

 private:
  ServedDevice disk_;
  const std::string monitor_;
  std::unique_ptr<Vm> vm_;
};

// Writes pieces of 256 KiB in turn, and keeps the sum of each.
constexpr char kWriter[] =
    "(n=0; while [ ! -e /run/stop ]; do n=$(((n + 1) % 32)); "
    "dd if=/dev/urandom of=/run/piece bs=256k count=1; "
    "dd if=/run/piece of=/dev/vda bs=256k seek=$n conv=fsync; md5sum < /run/piece > /run/sum.$n; "
    "done; touch /run/stopped) > /dev/null 2>&1 &";
// Compares each with what it was, and names those that differ.
constexpr char kCheck[] =
    "for n in $(seq 0 31); do [ -e /run/sum.$n ] || continue; "
    "dd if=/dev/vda bs=256k skip=$n count=1 2>/dev/null | md5sum | cmp -s - /run/sum.$n || "
    "echo differs $n; done; echo checked";

TEST(VhostUserMigrationTest, QemuMigratesAGuestThatWrites) {
  if (access(kQemu, X_OK) != 0) GTEST_SKIP() << "qemu-system-x86 is not installed";
  const std::string image = TemporaryPath("disk");
  const std::string state = TemporaryPath("state");
  const ScopedFd file(open(image.c_str(), O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600));
  ASSERT_EQ(ftruncate(file.get(), kDiskSize), 0);
  const SocketFolder folder;
  Machine source(folder, "source", image, {});
  ASSERT_TRUE(source.vm().AwaitReady(kPatience).ok()) << source.vm().console();
  QemuMonitor monitor(source.monitor());

  // All of memory is copied once while the guest writes. Then hardly anything is copied.
  EXPECT_EQ(Say(source.vm(), kWriter), "");
  EXPECT_EQ(monitor.Say("migrate_set_parameter downtime-limit 1"), "");
  EXPECT_EQ(monitor.Say("migrate_set_parameter max-bandwidth 16M"), "");
  EXPECT_EQ(monitor.Say(absl::StrCat("migrate -d \"exec:cat > ", state, "\"")), "");
  ASSERT_THAT(monitor.AwaitPasses(2, kPatience), HasSubstr("active"));
  EXPECT_EQ(monitor.Say("migrate_set_parameter max-bandwidth 64k"), "");
  ASSERT_EQ(Say(source.vm(),
                "touch /run/stop; while [ ! -e /run/stopped ]; do sleep 0.1; done; "
                "ls /run/sum.* | wc -l | grep -qv ^0 && echo written"),
            "written\n");
  // The device fills the page cache, whose pages were copied as what they were before.
  ASSERT_EQ(Say(source.vm(), absl::StrCat("echo 3 > /proc/sys/vm/drop_caches; ", kCheck)),
            "checked\n");
  ASSERT_THAT(monitor.Say("info migrate"), HasSubstr("active"));
  EXPECT_EQ(monitor.Say("migrate_set_parameter downtime-limit 10000"), "");
  EXPECT_EQ(monitor.Say("migrate_set_parameter max-bandwidth 1G"), "");
  ASSERT_THAT(monitor.AwaitMigration(kPatience), HasSubstr("completed"));
  ASSERT_EQ(*source.End(), 0) << source.errors();

  Machine destination(folder, "destination", image,
                      {"-incoming", absl::StrCat("exec:cat ", state)});
  QemuMonitor there(destination.monitor());
  ASSERT_THAT(there.AwaitRunning(kPatience), HasSubstr("running"));
  // From its page cache, then from the disk; and it writes on.
  EXPECT_EQ(Say(destination.vm(), kCheck), "checked\n");
  EXPECT_EQ(Say(destination.vm(), absl::StrCat("echo 3 > /proc/sys/vm/drop_caches; ", kCheck)),
            "checked\n");
  EXPECT_EQ(Say(destination.vm(),
                "echo migrated | dd of=/dev/vda bs=512 seek=32000 conv=fsync 2>/dev/null"),
            "");
  EXPECT_EQ(ReadFile(image).substr(32000 * 512, 8), "migrated");
  EXPECT_EQ(*destination.End(), 0) << destination.errors();
}

}  // namespace
}  // namespace touchstone
