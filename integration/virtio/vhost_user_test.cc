// Debian's drivers over devices that other processes provide: `touchstone device`, and the
// vhost-user-blk export of qemu-storage-daemon.

#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "base/scoped_fd.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "integration/testing/child_process.h"
#include "integration/testing/runfiles.h"
#include "integration/testing/test_files.h"
#include "integration/virtio/socket_folder.h"
#include "integration/virtio/virtio_guest.h"

namespace touchstone {
namespace {

using ::testing::HasSubstr;
using ::testing::SizeIs;

constexpr int64_t kDiskSize = 16 << 20;
constexpr char kStorageDaemon[] = "/usr/bin/qemu-storage-daemon";

std::string Disk(const std::string& name) {
  const std::string path = TemporaryPath(name);
  const ScopedFd file(open(path.c_str(), O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600));
  EXPECT_EQ(ftruncate(file.get(), kDiskSize), 0);
  EXPECT_EQ(pwrite(file.get(), name.data(), name.size(), 0), static_cast<ssize_t>(name.size()));
  return path;
}

std::unique_ptr<ChildProcess> Start(std::vector<std::string> arguments) {
  return ChildProcess::Start(std::move(arguments), ChildProcess::Streams::kPipes).value();
}

std::unique_ptr<ChildProcess> StartDevice(std::vector<std::string> arguments) {
  arguments.insert(arguments.begin(), {Runfile("vmm/touchstone"), "device"});
  return Start(std::move(arguments));
}

// A pattern is written to the disk and read back, past the guest's page cache.
void ExpectDiskWorks(Vm& vm, const std::string& disk, const std::string& image) {
  SCOPED_TRACE(disk);
  EXPECT_EQ(Say(vm, absl::StrCat("cat /sys/block/", disk.substr(5), "/size")),
            absl::StrCat(kDiskSize / 512, "\n"));
  EXPECT_EQ(Say(vm, absl::StrCat("dd if=/dev/urandom of=/run/noise bs=64k count=32 2>/dev/null; ",
                                 "dd if=/run/noise of=", disk,
                                 " bs=64k seek=64 conv=fsync 2>/dev/null; "
                                 "echo 3 > /proc/sys/vm/drop_caches; dd if=",
                                 disk, " bs=64k skip=64 count=32 2>/dev/null | cmp - /run/noise ",
                                 "&& echo same")),
            "same\n");
  // What the guest wrote is in the host's file.
  const std::string sum = Say(vm, "md5sum < /run/noise");
  const std::string host = ReadFile(image).substr(64 * 65536, 32 * 65536);
  EXPECT_THAT(host, SizeIs(32 * 65536));
  EXPECT_EQ(Say(vm, absl::StrCat("dd if=", disk, " bs=64k skip=64 count=32 2>/dev/null | md5sum")),
            sum);
}

TEST(VhostUserTest, ServesDebiansDrivers) {
  const std::string own_disk = Disk("own-disk");
  const SocketFolder folder;
  const std::string rng_socket = folder.File("rng");
  const std::string disk_socket = folder.File("disk");
  const std::unique_ptr<ChildProcess> rng =
      StartDevice({"rng", absl::StrCat("--socket-path=", rng_socket)});
  const std::unique_ptr<ChildProcess> disk = StartDevice(
      {"block", absl::StrCat("--socket-path=", disk_socket), absl::StrCat("--block=", own_disk)});

  std::unique_ptr<Vm> vm = StartVirtioGuest({"--no-rng", "--vhost-user-connect-timeout-ms=30000",
                                             absl::StrCat("--vhost-user=rng,socket=", rng_socket),
                                             absl::StrCat("--vhost-user-blk=", disk_socket)});
  ASSERT_TRUE(vm->AwaitReady(kBootLimit).ok());

  EXPECT_EQ(Say(*vm, "cat /sys/class/misc/hw_random/rng_current"), "virtio_rng.0\n");
  EXPECT_EQ(Say(*vm, "dd if=/dev/hwrng bs=2048 count=8 2>/dev/null | wc -c"), "16384\n");
  EXPECT_EQ(Say(*vm, "dd if=/dev/vda bs=8 count=1 2>/dev/null"), "own-disk");
  ExpectDiskWorks(*vm, "/dev/vda", own_disk);

  // The driver lets go of the device, and takes it again.
  EXPECT_EQ(Say(*vm,
                "rmmod virtio_rng; modprobe virtio_rng; "
                "dd if=/dev/hwrng bs=2048 count=1 2>/dev/null | wc -c"),
            "2048\n");

  // The guest goes on without a device whose process is gone.
  rng->Signal(SIGKILL);
  EXPECT_EQ(*rng->Wait(absl::Seconds(60)), 128 + SIGKILL);
  ExpectDiskWorks(*vm, "/dev/vda", own_disk);
  EXPECT_THAT(vm->errors(), HasSubstr("vhost-user: device 4: the back end is gone"));
  vm.reset();
  EXPECT_EQ(*disk->Wait(absl::Seconds(60)), 0) << disk->errors();
}

TEST(VhostUserTest, ServesADiskOfQemuStorageDaemon) {
  if (access(kStorageDaemon, X_OK) != 0) GTEST_SKIP() << "qemu-utils is not installed";
  const std::string image = Disk("qsd-disk");
  const SocketFolder folder;
  const std::string socket = folder.File("qsd");
  const std::unique_ptr<ChildProcess> daemon = Start(
      {kStorageDaemon, "--blockdev", absl::StrCat("driver=file,node-name=disk,filename=", image),
       "--export",
       absl::StrCat("type=vhost-user-blk,id=export,node-name=disk,writable=on,addr.type=unix,",
                    "addr.path=", socket)});

  std::unique_ptr<Vm> vm = StartVirtioGuest({"--vhost-user-connect-timeout-ms=30000",
                                             absl::StrCat("--vhost-user=block,socket=", socket)});
  ASSERT_TRUE(vm->AwaitReady(kBootLimit).ok());

  EXPECT_EQ(Say(*vm, "dd if=/dev/vda bs=8 count=1 2>/dev/null"), "qsd-disk");
  ExpectDiskWorks(*vm, "/dev/vda", image);
  EXPECT_EQ(Say(*vm,
                "rmmod virtio_blk; modprobe virtio_blk; "
                "dd if=/dev/vda bs=8 count=1 2>/dev/null"),
            "qsd-disk");
}

}  // namespace
}  // namespace touchstone
