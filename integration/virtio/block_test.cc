// Debian's virtio-blk driver and ext4 over disks of every kind: rings split and packed, threads and
// io_uring.

#include <stdlib.h>
#include <sys/stat.h>

#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "integration/virtio/virtio_guest.h"

namespace touchstone {
namespace {

// A file system on the host, of 32 MiB.
std::string MakeDisk(const std::string& name) {
  const std::string path = absl::StrCat(testing::TempDir(), "/", name);
  const std::string make = absl::StrCat("rm -f ", path, " && truncate -s 32M ", path,
                                        " && /sbin/mke2fs -q -F -t ext4 ", path);
  EXPECT_EQ(system(make.c_str()), 0);
  return path;
}

uint64_t Allocated(const std::string& path) {
  struct stat status;
  EXPECT_EQ(stat(path.c_str(), &status), 0);
  return static_cast<uint64_t>(status.st_blocks) * 512;
}

TEST(BlockTest, FileSystemsOnEveryKindOfDisk) {
  const std::vector<std::string> keys = {"async-executor=epoll,id=DISK0", "async-executor=uring",
                                         "async-executor=epoll,packed-queue",
                                         "async-executor=uring,packed-queue"};
  std::vector<std::string> paths;
  std::vector<std::string> options;
  for (size_t i = 0; i < keys.size(); ++i) {
    paths.push_back(MakeDisk(absl::StrCat("disk", i)));
    options.push_back(absl::StrCat("--block=path=", paths[i], ",", keys[i]));
  }
  const std::string read_only = MakeDisk("read_only");
  options.push_back(absl::StrCat("--block=path=", read_only, ",ro"));
  std::unique_ptr<Vm> vm = StartVirtioGuest(options);
  ASSERT_TRUE(vm->AwaitReady(kBootLimit).ok());
  EXPECT_EQ(Say(*vm, "cat /sys/block/vda/serial"), "DISK0");
  EXPECT_EQ(Say(*vm, "cat /sys/block/vde/ro"), "1\n");
  EXPECT_EQ(Say(*vm, "dd if=/dev/zero of=/dev/vde bs=512 count=1 2>/dev/null || echo refused"),
            "refused\n");

  for (size_t i = 0; i < paths.size(); ++i) {
    const std::string device = absl::StrCat("/dev/vd", std::string(1, static_cast<char>('a' + i)));
    EXPECT_EQ(
        Say(*vm, absl::StrCat("mkdir -p /mnt && mount ", device, " /mnt && ",
                              "dd if=/dev/urandom of=/mnt/data bs=1M count=8 2>/dev/null && ",
                              "md5sum < /mnt/data > /run/sum && umount /mnt && mount ", device,
                              " /mnt && md5sum < /mnt/data | cmp - /run/sum && ", "echo same")),
        "same\n");
    const uint64_t full = Allocated(paths[i]);
    EXPECT_EQ(Say(*vm, "rm /mnt/data && sync && fstrim /mnt && umount /mnt"), "");
    EXPECT_LT(Allocated(paths[i]) + (4 << 20), full) << paths[i];
  }

  // The driver lets go of a disk, and takes it again.
  EXPECT_EQ(Say(*vm,
                "cd /sys/bus/virtio/drivers/virtio_blk && echo virtio0 > unbind && "
                "[ ! -e /sys/block/vda ] && echo virtio0 > bind && cat /sys/block/vda/size"),
            "65536\n");
  EXPECT_EQ(Say(*vm,
                "rmmod virtio_blk && ls /sys/block | grep -c vd; modprobe virtio_blk; "
                "ls /sys/block | grep -c vd"),
            "0\n5\n");
  vm.reset();
  for (const std::string& path : paths) {
    EXPECT_EQ(system(absl::StrCat("/sbin/e2fsck -fn ", path).c_str()), 0) << path;
  }
}

TEST(BlockTest, RootIsADisk) {
  const std::string path = MakeDisk("root");
  std::unique_ptr<Vm> vm = StartVirtioGuest({absl::StrCat("--block=path=", path, ",root,ro")});
  ASSERT_TRUE(vm->AwaitReady(kBootLimit).ok());

  EXPECT_THAT(Say(*vm, "cat /proc/cmdline"), testing::HasSubstr("root=/dev/vda ro"));
}

}  // namespace
}  // namespace touchstone
