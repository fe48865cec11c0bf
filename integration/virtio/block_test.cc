// Debian's virtio-blk driver and ext4 over disks of every kind: rings split and packed, threads and
// io_uring, through the page cache and past it, one queue and four, files and block devices; disks
// that fail; a root file system; disks that get larger and smaller.
//
// --full tries every combination, with larger files.

#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/time/time.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "integration/control/controlled_machine.h"
#include "integration/testing/runfiles.h"
#include "integration/virtio/block_host.h"
#include "integration/virtio/test_run.h"
#include "integration/virtio/virtio_guest.h"

namespace touchstone {
namespace {

using ::testing::Each;
using ::testing::HasSubstr;
using ::testing::SizeIs;

// Four processors in a lab that has one, on a machine that others use too, take their time.
constexpr absl::Duration kPatience = absl::Minutes(10);

uint64_t DiskMib() { return IsFullRun() ? 128 : 32; }
// What is written to each disk.
uint64_t FileMib() { return IsFullRun() ? 64 : 4; }

std::string Temp(const std::string& name) { return absl::StrCat(testing::TempDir(), "/", name); }

std::string Block(const std::string& path, const std::string& keys = "") {
  return absl::StrCat("--block=path=", path, keys.empty() ? "" : ",", keys);
}

// As Say, for commands that take long.
std::string SayPatiently(Vm& vm, const std::string& command) {
  const absl::StatusOr<CommandResult> result = vm.Run(command, kPatience);
  return result.ok() ? result->output : std::string(result.status().message());
}

struct Guest {
  Guest(int cpus, std::vector<std::string> options)
      : vm(StartLinux(kCloudKernel,
                      {.cpus = cpus, .memory_mib = 256, .options = std::move(options)})) {}

  std::unique_ptr<Vm> vm;
};

// Where files can be used past the page cache: below the test's folder, or in a file system of its
// own on a loop device.
class DirectFolder {
 public:
  DirectFolder() : path_(testing::TempDir()) {
    if (AllowsDirect(path_)) return;
    mounted_.emplace("direct", absl::StrCat("-o loop ", MakeExt4Disk(Temp("direct.img"),
                                                                     IsFullRun() ? 1200 : 200)));
    path_ = mounted_->path();
  }
  [[nodiscard]] const std::string& path() const { return path_; }

 private:
  std::string path_;
  std::optional<MountedFolder> mounted_;
};

struct Kind {
  bool uring = false;
  bool packed = false;
  bool direct = false;

  [[nodiscard]] std::string keys() const {
    return absl::StrCat("async-executor=", uring ? "uring" : "epoll", packed ? ",packed-queue" : "",
                        direct ? ",direct" : "");
  }
};

// All kinds, or every other one: of those with the same parity, any two properties still meet in
// each way.
std::vector<Kind> Kinds(bool odd) {
  std::vector<Kind> kinds;
  for (int i = 0; i < 8; ++i) {
    const Kind kind = {.uring = (i & 1) != 0, .packed = (i & 2) != 0, .direct = (i & 4) != 0};
    if (IsFullRun() || (kind.uring ^ kind.packed ^ kind.direct) == odd) kinds.push_back(kind);
  }
  return kinds;
}

// Disks with file systems, /dev/vda and so on.
class FileSystems {
 public:
  FileSystems(const std::vector<Kind>& kinds, const std::string& more_keys) {
    for (const Kind& kind : kinds) {
      const std::string name = absl::StrCat("disk", paths_.size());
      paths_.push_back(MakeExt4Disk(
          kind.direct ? absl::StrCat(direct_.path(), "/", name) : Temp(name), DiskMib()));
      options_.push_back(Block(paths_.back(), absl::StrCat(kind.keys(), more_keys)));
      absl::StrAppend(&letters_, " ", std::string(1, static_cast<char>('a' + letters_.size() / 2)));
    }
  }
  [[nodiscard]] const std::vector<std::string>& options() const { return options_; }
  [[nodiscard]] const std::vector<std::string>& paths() const { return paths_; }

  // Runs a shell command for all disks at once, each with its letter in $d.
  [[nodiscard]] std::string ForEach(const std::string& command) const {
    return absl::StrCat("for d in", letters_, "; do { ", command, "; } & done; wait");
  }
  // What was written to each disk.
  [[nodiscard]] std::vector<std::string> Sums() const {
    std::vector<std::string> sums;
    for (const std::string& path : paths_) sums.push_back(SumInImage(path, "/data"));
    return sums;
  }
  // What the host's e2fsck finds; nothing when all is well.
  [[nodiscard]] std::string Check() const {
    std::string found;
    for (const std::string& path : paths_) {
      absl::StrAppend(&found, HostSays(absl::StrCat("said=$(/sbin/e2fsck -fn ", path,
                                                    " 2>&1) || echo \"$said\"")));
    }
    return found;
  }

 private:
  DirectFolder direct_;
  std::vector<std::string> paths_;
  std::vector<std::string> options_;
  std::string letters_;
};

// Fills all file systems at once with random data, and reads it back from the disk.
void FillAndRead(Vm& vm, const FileSystems& disks) {
  EXPECT_EQ(SayPatiently(
                vm, disks.ForEach(absl::StrCat(
                        "mkdir -p /m/$d && mount -t ext4 /dev/vd$d /m/$d && ",
                        "dd if=/dev/urandom of=/m/$d/data bs=1M count=", FileMib(),
                        " status=none && md5sum < /m/$d/data > /run/sum$d && ", "umount /m/$d"))),
            "");
  EXPECT_EQ(SayPatiently(vm, disks.ForEach("mount -t ext4 /dev/vd$d /m/$d && "
                                           "md5sum < /m/$d/data | cmp - /run/sum$d; "
                                           "umount /m/$d")),
            "");
}

std::vector<std::string> SumsOfGuest(Vm& vm) {
  return absl::StrSplit(Say(vm, "cat /run/sum* | cut -c1-32"), '\n', absl::SkipEmpty());
}

TEST(BlockTest, EveryKindOfDisk) {
  const FileSystems disks(Kinds(false), "");
  const size_t count = disks.paths().size();
  std::vector<std::string> options = disks.options();
  const std::string read_only = MakeExt4Disk(Temp("read_only"), 8);
  options.push_back(Block(read_only, "ro,id=DISK-READ-ONLY"));
  const std::string raw = MakeEmptyDisk(Temp("raw"), 16);
  options.push_back(Block(raw, "block-size=4096"));
  const std::string behind_loop = MakeEmptyDisk(Temp("behind_loop"), 16);
  const LoopDevice loop(behind_loop);
  options.push_back(Block(loop.path(), "direct"));
  // Room for a part of the disk only.
  const MountedFolder small("small", "-t tmpfs -o size=1m tmpfs");
  options.push_back(Block(MakeEmptyDisk(small.path() + "/epoll", 16), "async-executor=epoll"));
  options.push_back(Block(MakeEmptyDisk(small.path() + "/uring", 16), "async-executor=uring"));
  const auto disk = [&](size_t i) { return std::string(1, static_cast<char>('a' + count + i)); };
  Guest guest(1, options);
  Vm& vm = *guest.vm;
  ASSERT_TRUE(vm.AwaitReady(kPatience).ok());

  FillAndRead(vm, disks);
  const std::vector<std::string> sums = SumsOfGuest(vm);

  // What is deleted and trimmed becomes a hole.
  std::vector<uint64_t> full;
  for (const std::string& path : disks.paths()) full.push_back(AllocatedBytes(path));
  EXPECT_EQ(disks.Sums(), sums);
  EXPECT_EQ(SayPatiently(vm, disks.ForEach("mount -t ext4 /dev/vd$d /m/$d && rm /m/$d/data && "
                                           "sync && fstrim /m/$d; umount /m/$d")),
            "");
  for (size_t i = 0; i < count; ++i) {
    EXPECT_LT(AllocatedBytes(disks.paths()[i]) + (FileMib() << 20) / 2, full[i])
        << disks.options()[i];
  }

  // A disk that is only read.
  EXPECT_EQ(
      Say(vm, absl::StrCat("cat /sys/block/vd", disk(0), "/serial /sys/block/vd", disk(0), "/ro")),
      "DISK-READ-ONLY1\n");
  EXPECT_EQ(Say(vm, absl::StrCat("dd if=/dev/zero of=/dev/vd", disk(0),
                                 " count=1 2>/dev/null || echo refused")),
            "refused\n");

  // blkdiscard, of a file and of a device.
  EXPECT_EQ(Say(vm, absl::StrCat("cat /sys/block/vd", disk(1), "/queue/logical_block_size")),
            "4096\n");
  for (const size_t i : {1, 2}) {
    const std::string& file = i == 1 ? raw : behind_loop;
    EXPECT_EQ(Say(vm, absl::StrCat("dd if=/dev/urandom of=/dev/vd", disk(i),
                                   " bs=1M count=4 oflag=direct status=none && sync")),
              "");
    EXPECT_GE(AllocatedBytes(file), 4u << 20);
    EXPECT_EQ(Say(vm, absl::StrCat("blkdiscard -o 1048576 -l 3145728 /dev/vd", disk(i))), "");
    EXPECT_EQ(AllocatedBytes(file), 1u << 20);
    EXPECT_EQ(
        Say(vm, absl::StrCat("dd if=/dev/vd", disk(i),
                             " bs=1M skip=1 count=3 iflag=direct status=none | tr -d '\\0' | wc "
                             "-c")),
        "0\n");
  }

  // The host's disk is full, and then gone: the guest hears of errors, and goes on.
  for (const size_t i : {3, 4}) {
    const std::string device = absl::StrCat("/dev/vd", disk(i));
    EXPECT_THAT(
        Say(vm, absl::StrCat("dd if=/dev/urandom of=", device, " bs=64k count=64 oflag=direct")),
        HasSubstr("Input/output error"));
    EXPECT_EQ(
        Say(vm, absl::StrCat("dd if=", device, " bs=4k count=1 iflag=direct status=none | wc -c")),
        "4096\n");
    EXPECT_EQ(HostSays(absl::StrCat("truncate -s 0 ", small.path(), i == 3 ? "/epoll" : "/uring")),
              "");
    EXPECT_THAT(Say(vm, absl::StrCat("dd if=", device, " of=/dev/null bs=4k count=1 iflag=direct")),
                HasSubstr("Input/output error"));
  }
  FillAndRead(vm, disks);

  // The driver lets go of a disk, and of all, and takes them again.
  EXPECT_EQ(Say(vm,
                "at=$(basename $(readlink -f /sys/block/vda/device)); "
                "cd /sys/bus/virtio/drivers/virtio_blk && echo $at > unbind && "
                "[ ! -e /sys/block/vda ] && echo $at > bind && cat /sys/block/vda/size"),
            absl::StrCat(DiskMib() * 2048, "\n"));
  EXPECT_EQ(Say(vm,
                "rmmod virtio_blk; ls /sys/block | grep -c vd; modprobe virtio_blk; "
                "ls /sys/block | grep -c vd"),
            absl::StrCat("0\n", count + 5, "\n"));
  FillAndRead(vm, disks);
  const std::vector<std::string> last_sums = SumsOfGuest(vm);
  guest.vm.reset();
  EXPECT_EQ(disks.Sums(), last_sums);
  EXPECT_EQ(disks.Check(), "");
}

TEST(BlockTest, FourQueues) {
  const FileSystems disks(Kinds(true), ",multiple-workers");
  Guest guest(4, disks.options());
  Vm& vm = *guest.vm;
  ASSERT_TRUE(vm.AwaitReady(kPatience).ok());
  EXPECT_EQ(Say(vm, "ls /sys/block/vda/mq | wc -l"), "4\n");

  FillAndRead(vm, disks);
  // Each processor has a queue of its own.
  EXPECT_EQ(SayPatiently(vm, disks.ForEach("for c in 0 1 2 3; do taskset $((1 << c)) dd "
                                           "if=/dev/vd$d of=/dev/null bs=64k count=4 iflag=direct "
                                           "status=none; done")),
            "");
  for (size_t i = 0; i < disks.paths().size(); ++i) {
    std::vector<uint64_t> counts;
    const std::string name =
        Say(vm, absl::StrCat("basename $(readlink -f /sys/block/vd",
                             std::string(1, static_cast<char>('a' + i)), "/device) | tr -d '\\n'"));
    for (const GuestInterrupt& interrupt : Interrupts(vm, name + "-req")) {
      counts.push_back(interrupt.count);
    }
    EXPECT_THAT(counts, SizeIs(4)) << name;
    EXPECT_THAT(counts, Each(testing::Ge(4u))) << name;
  }
  const std::vector<std::string> sums = SumsOfGuest(vm);
  guest.vm.reset();
  EXPECT_EQ(disks.Sums(), sums);
  EXPECT_EQ(disks.Check(), "");
}

// What `touchstone disk resize` does to /dev/vdb, which has 16 MiB, and to others.
void ResizeDisks(Vm& vm, const std::string& file, const std::string& socket) {
  const auto resize = [&](int index, uint64_t size) {
    return Control({"disk", "resize", absl::StrCat(index), absl::StrCat(size), socket});
  };
  const auto await = [&](int sectors) {
    return Say(vm, absl::StrCat("for i in $(seq 50); do [ $(cat /sys/block/vdb/size) = ", sectors,
                                " ] && echo yes && break; sleep 0.1; done"));
  };
  EXPECT_EQ(resize(1, 32 << 20), Said{0});
  EXPECT_EQ(await(65536), "yes\n");
  EXPECT_EQ(Say(vm,
                "head -c 512 /dev/zero | tr '\\0' E | "
                "dd of=/dev/vdb bs=512 seek=65535 oflag=direct status=none"),
            "");
  EXPECT_EQ(HostSays(absl::StrCat("tail -c 3 ", file)), "EEE");

  EXPECT_EQ(resize(1, 8 << 20), Said{0});
  EXPECT_EQ(await(16384), "yes\n");
  EXPECT_EQ(HostSays(absl::StrCat("stat -c %s ", file)), "8388608\n");
  EXPECT_EQ(Say(vm, "dd if=/dev/vdb bs=1M iflag=direct status=none | wc -c"), "8388608\n");

  EXPECT_THAT(resize(2, 1 << 20).out, HasSubstr("error: Read-only file system"));
  EXPECT_THAT(resize(3, 1 << 20).out, HasSubstr("error: No such device"));
  EXPECT_EQ(resize(1, 1000).out, "unexpected response: error: Input/output error\n");
}

// The initial RAM disk mounts what root= says, and /sbin/init of that disk answers.
TEST(BlockTest, RootIsADisk) {
  const std::string path = Temp("root");
  ASSERT_EQ(HostSays(absl::StrCat("cp ", Runfile("integration/virtio/root_disk.img"), " ", path,
                                  " && chmod u+w ", path)),
            "");
  const std::string changes = MakeEmptyDisk(Temp("changes"), 16);
  const ShortFolder folder;
  const std::string socket = folder.path() + "/socket";
  std::unique_ptr<Vm> vm =
      StartLinux(kCloudKernel,
                 {.memory_mib = 256,
                  .initrd = Runfile("integration/virtio/root_initramfs.cpio"),
                  .options = {Block(path, "root"), Block(changes), Block(changes, "ro,lock=false"),
                              absl::StrCat("--socket=", socket)}});
  ASSERT_TRUE(vm->AwaitReady(kPatience).ok());

  EXPECT_THAT(Say(*vm, "cat /proc/cmdline"), HasSubstr("root=/dev/vda rw"));
  EXPECT_THAT(Say(*vm, "grep ' / ' /proc/mounts"), HasSubstr("/dev/vda / ext4 rw"));
  ResizeDisks(*vm, changes, socket);
  EXPECT_EQ(Say(*vm, "echo was here > /written && sync && mount -o remount,ro /"), "");
  ASSERT_TRUE(vm->RunWithoutAnswer("poweroff -f").ok());
  EXPECT_EQ(vm->Wait(kCommandLimit).value(), 0);
  EXPECT_EQ(HostSays(absl::StrCat("/sbin/debugfs -R 'cat /written' ", path, " 2>/dev/null")),
            "was here\n");
  EXPECT_EQ(HostSays(absl::StrCat("/sbin/e2fsck -fn ", path, " > /dev/null 2>&1 || echo broken")),
            "");
}

}  // namespace
}  // namespace touchstone
