// Debian's drivers over devices that other processes provide: `touchstone device`, the
// vhost-user-blk export of qemu-storage-daemon, and virtiofsd.

#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include <fstream>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "base/scoped_fd.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "integration/testing/child_process.h"
#include "integration/testing/runfiles.h"
#include "integration/testing/test_files.h"
#include "integration/virtio/net_host.h"
#include "integration/virtio/socket_folder.h"
#include "integration/virtio/virtio_guest.h"

namespace touchstone {
namespace {

using ::testing::HasSubstr;
using ::testing::SizeIs;

constexpr int64_t kDiskSize = 16 << 20;
// Both are installed with the lab.
constexpr char kStorageDaemon[] = "/usr/bin/qemu-storage-daemon";
constexpr char kVirtiofsd[] = "/usr/lib/qemu/virtiofsd";

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

// A directory of the host, where Debian has a process that serves it.
class Directory {
 public:
  explicit Directory(const SocketFolder& folder)
      : path_(folder.File("directory")), socket_(folder.File("fs")) {
    EXPECT_EQ(mkdir(path_.c_str(), 0755), 0);
    std::ofstream(path_ + "/from_host") << std::string(100000, 'h');
    process_ = Start({kVirtiofsd, absl::StrCat("--socket-path=", socket_), "-f", "-o",
                      absl::StrCat("source=", path_), "-o", "sandbox=chroot"});
  }

  [[nodiscard]] const std::string& path() const { return path_; }
  [[nodiscard]] const std::string& socket() const { return socket_; }

 private:
  const std::string path_;
  const std::string socket_;
  std::unique_ptr<ChildProcess> process_;
};

// The disk is written and compared while its process is killed and another one takes over.
void ExpectDiskOutlivesProcesses(Vm& vm, const std::string& disk,
                                 std::unique_ptr<ChildProcess>& process,
                                 const std::vector<std::string>& line) {
  Say(vm, absl::StrCat(": > /run/rounds; (while [ ! -e /run/stop ]; do dd if=/run/noise of=", disk,
                       " bs=4k count=64 seek=1024 oflag=direct 2>/dev/null || touch /run/failed; ",
                       "echo 3 > /proc/sys/vm/drop_caches; dd if=", disk,
                       " bs=4k count=64 skip=1024 2>/dev/null | cmp -n 262144 - /run/noise ",
                       "|| touch /run/failed; echo >> /run/rounds; done; touch /run/done) ",
                       "> /dev/null 2>&1 &"));
  for (int i = 0; i < 5; ++i) {
    absl::SleepFor(absl::Milliseconds(300));
    process->Signal(SIGKILL);
    EXPECT_EQ(*process->Wait(absl::Seconds(60)), 128 + SIGKILL);
    process = StartDevice(line);
  }
  EXPECT_EQ(Say(vm,
                "rounds=$(wc -l < /run/rounds); "
                "while [ $(wc -l < /run/rounds) -lt $((rounds + 2)) ]; do sleep 0.1; done; "
                "touch /run/stop; while [ ! -e /run/done ]; do sleep 0.1; done; "
                "[ -e /run/failed ] || echo whole"),
            "whole\n");
  EXPECT_EQ(Say(vm, "dmesg | grep -i 'I/O error'"), "");
}

// One process, two taps.
std::unique_ptr<ChildProcess> StartNets(const std::string& first, const std::string& second) {
  return StartDevice({"net", absl::StrCat("--tap-name=", first, ",vun0"),
                      absl::StrCat("--tap-name=", second, ",vun1"), "--mrg-rxbuf"});
}

// Full frames, in pieces too, to the host and back.
void ExpectNetWorks(Vm& vm, const std::string& interface, const std::string& network) {
  SCOPED_TRACE(interface);
  EXPECT_EQ(Say(vm, absl::StrCat("ip address add ", network, ".2/24 dev ", interface,
                                 " && ip link set ", interface, " up && ping -q -A -W 2 -c 50 ",
                                 network, ".1 | grep loss; ping -q -A -W 2 -s 4000 -c 50 ", network,
                                 ".1 | grep loss")),
            "50 packets transmitted, 50 packets received, 0% packet loss\n"
            "50 packets transmitted, 50 packets received, 0% packet loss\n");
}

// Everything in one boot.
TEST(VhostUserTest, ServesDebiansDrivers) {
  const std::string own_disk = Disk("own-disk");
  const std::string daemon_disk = Disk("qsd-disk");
  const SocketFolder folder;
  const std::string rng_socket = folder.File("rng");
  const std::string disk_socket = folder.File("disk");
  const std::string daemon_socket = folder.File("qsd");
  const std::string net_sockets[] = {folder.File("n0"), folder.File("n1")};
  const HostTap taps[] = {{"vun0", "10.9.7.1/24"}, {"vun1", "10.9.8.1/24"}};
  const std::vector<std::string> rng_line = {"rng", absl::StrCat("--socket-path=", rng_socket)};
  const std::vector<std::string> disk_line = {"block", absl::StrCat("--socket-path=", disk_socket),
                                              absl::StrCat("--block=", own_disk)};
  std::unique_ptr<ChildProcess> rng = StartDevice(rng_line);
  std::unique_ptr<ChildProcess> disk = StartDevice(disk_line);
  const std::unique_ptr<ChildProcess> nets = StartNets(net_sockets[0], net_sockets[1]);
  const std::unique_ptr<ChildProcess> daemon = Start(
      {kStorageDaemon, "--blockdev",
       absl::StrCat("driver=file,node-name=disk,filename=", daemon_disk), "--export",
       absl::StrCat("type=vhost-user-blk,id=export,node-name=disk,writable=on,addr.type=unix,",
                    "addr.path=", daemon_socket)});
  const Directory directory(folder);

  std::unique_ptr<Vm> vm =
      StartVirtioGuest({"--no-rng", "--vhost-user-connect-timeout-ms=30000",
                        absl::StrCat("--vhost-user=rng,socket=", rng_socket),
                        absl::StrCat("--vhost-user-blk=", disk_socket),
                        absl::StrCat("--vhost-user-blk=", daemon_socket),
                        absl::StrCat("--vhost-user=net,socket=", net_sockets[0]),
                        absl::StrCat("--vhost-user=net,socket=", net_sockets[1]),
                        absl::StrCat("--vhost-user-fs=", directory.socket(), ":shared")});
  ASSERT_TRUE(vm->AwaitReady(kBootLimit).ok()) << vm->errors();

  EXPECT_EQ(Say(*vm, "cat /sys/class/misc/hw_random/rng_current"), "virtio_rng.0\n");
  EXPECT_EQ(Say(*vm, "dd if=/dev/hwrng bs=2048 count=8 2>/dev/null | wc -c"), "16384\n");
  EXPECT_EQ(Say(*vm, "dd if=/dev/vda bs=8 count=1 2>/dev/null"), "own-disk");
  EXPECT_EQ(Say(*vm, "dd if=/dev/vdb bs=8 count=1 2>/dev/null"), "qsd-disk");
  ExpectDiskWorks(*vm, "/dev/vda", own_disk);
  ExpectDiskWorks(*vm, "/dev/vdb", daemon_disk);

  ASSERT_EQ(Say(*vm, "modprobe virtio_net; ls /sys/class/net"), "eth0\neth1\nlo\n");
  ExpectNetWorks(*vm, "eth0", "10.9.7");
  ExpectNetWorks(*vm, "eth1", "10.9.8");

  // virtio-fs.
  EXPECT_EQ(Say(*vm,
                "modprobe virtiofs; mkdir -p /mnt; mount -t virtiofs shared /mnt; "
                "wc -c < /mnt/from_host; tr -d h < /mnt/from_host | wc -c"),
            "100000\n0\n");
  const std::string sum = Say(*vm, "cp /run/noise /mnt/from_guest; sync; md5sum < /mnt/from_guest");
  EXPECT_EQ(Say(*vm, "md5sum < /run/noise"), sum);
  const std::string copy = ReadFile(directory.path() + "/from_guest");
  EXPECT_THAT(copy, SizeIs(32 * 65536));
  EXPECT_EQ(copy, ReadFile(daemon_disk).substr(64 * 65536, 32 * 65536));
  EXPECT_EQ(Say(*vm, "ls /mnt; umount /mnt && echo gone"), "from_guest\nfrom_host\ngone\n");

  // The drivers let go of the devices, and take them again.
  EXPECT_EQ(Say(*vm,
                "rmmod virtio_rng virtio_blk virtiofs; modprobe virtio_rng; modprobe virtio_blk; "
                "dd if=/dev/hwrng bs=2048 count=1 2>/dev/null | wc -c; "
                "dd if=/dev/vda bs=8 count=1 2>/dev/null; dd if=/dev/vdb bs=8 count=1 2>/dev/null"),
            "2048\nown-diskqsd-disk");

  // Processes die, and the guest does not notice.
  ExpectDiskOutlivesProcesses(*vm, "/dev/vda", disk, disk_line);
  rng->Signal(SIGKILL);
  EXPECT_EQ(*rng->Wait(absl::Seconds(60)), 128 + SIGKILL);
  rng = StartDevice(rng_line);
  EXPECT_EQ(Say(*vm, "dd if=/dev/hwrng bs=2048 count=1 2>/dev/null | wc -c"), "2048\n");
  EXPECT_THAT(vm->errors(), HasSubstr("vhost-user: device 4: the back end is gone"));
  vm.reset();
  EXPECT_EQ(*disk->Wait(absl::Seconds(60)), 0) << disk->errors();
  EXPECT_EQ(*nets->Wait(absl::Seconds(60)), 0) << nets->errors();
}

}  // namespace
}  // namespace touchstone
