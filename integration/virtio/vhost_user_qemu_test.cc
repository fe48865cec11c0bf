// `touchstone device` under another monitor: QEMU with a Debian guest. QEMU emulates the processor,
// so there is no need of KVM.
//
// Debian's QEMU 7.2 has front ends for disks, entropy, networks and sockets, and none for a
// console. Without KVM the one for networks has no MSI-X: QEMU 7.2 crashes when a driver of any
// vhost-user back end enables it, on its way to an irqfd that only KVM has.

#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "base/event_fd.h"
#include "base/fd_socket.h"
#include "base/scoped_fd.h"
#include "gtest/gtest.h"
#include "integration/boot/linux_guest.h"
#include "integration/testing/child_process.h"
#include "integration/testing/runfiles.h"
#include "integration/testing/test_files.h"
#include "integration/testing/vm.h"
#include "integration/virtio/net_host.h"
#include "integration/virtio/served_device.h"
#include "integration/virtio/socket_folder.h"
#include "integration/virtio/vsock_peer.h"

namespace touchstone {
namespace {

constexpr char kQemu[] = "/usr/bin/qemu-system-x86_64";
constexpr int64_t kDiskSize = 16 << 20;
constexpr absl::Duration kPatience = absl::Minutes(3);

// The other end of a socket device: what listens at its port 80.
class Echo {
 public:
  explicit Echo(const std::string& path)
      : listener_(FdListener::Listen(path + "_80", FdSocket::Kind::kStream).value()),
        thread_([this] { EchoUntil(listener_.fd(), stop_.fd(), 0); }) {}
  ~Echo() {
    stop_.Signal();
    thread_.join();
  }

 private:
  const FdListener listener_;
  const EventFd stop_ = EventFd::Create().value();
  std::thread thread_;
};

TEST(VhostUserQemuTest, ServesQemusGuest) {
  if (access(kQemu, X_OK) != 0) GTEST_SKIP() << "qemu-system-x86 is not installed";
  const std::string image = TemporaryPath("disk");
  const ScopedFd file(open(image.c_str(), O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600));
  ASSERT_EQ(ftruncate(file.get(), kDiskSize), 0);
  ASSERT_EQ(pwrite(file.get(), "our disk", 8, 0), 8);
  const SocketFolder folder;
  ServedDevice disk(folder, "block", {absl::StrCat("--block=", image)});
  ServedDevice rng(folder, "rng", {});
  const Echo echo(folder.File("sockets"));
  ServedDevice vsock(folder, "vsock", {absl::StrCat("--vsock=42,socket=", folder.File("sockets"))});
  ASSERT_FALSE(disk.process().Poll().has_value()) << disk.process().errors();
  ASSERT_FALSE(rng.process().Poll().has_value()) << rng.process().errors();

  const std::unique_ptr<Vm> vm =
      Vm::Start({kQemu,
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
                 "-chardev",
                 absl::StrCat("socket,id=disk,path=", disk.socket()),
                 "-device",
                 "vhost-user-blk-pci,chardev=disk,num-queues=1",
                 "-chardev",
                 absl::StrCat("socket,id=rng,path=", rng.socket()),
                 "-device",
                 "vhost-user-rng-pci,chardev=rng",
                 "-chardev",
                 absl::StrCat("socket,id=vsock,path=", vsock.socket()),
                 "-device",
                 "vhost-user-vsock-pci,chardev=vsock",
                 "-kernel",
                 Runfile(kCloudKernel.bzimage),
                 "-initrd",
                 Runfile("integration/virtio/all_devices_initramfs.cpio"),
                 "-append",
                 "console=ttyS0 quiet"})
          .value();
  ASSERT_TRUE(vm->AwaitReady(kPatience).ok()) << vm->console() << vm->errors();

  EXPECT_EQ(Say(*vm, "dd if=/dev/vda bs=8 count=1 2>/dev/null"), "our disk");
  EXPECT_EQ(Say(*vm,
                "dd if=/dev/urandom of=/run/noise bs=64k count=16 2>/dev/null; "
                "dd if=/run/noise of=/dev/vda bs=64k seek=64 conv=fsync 2>/dev/null; "
                "echo 3 > /proc/sys/vm/drop_caches; "
                "dd if=/dev/vda bs=64k skip=64 count=16 2>/dev/null | cmp - /run/noise && "
                "echo same"),
            "same\n");
  EXPECT_NE(ReadFile(image).substr(64 * 65536, 16 * 65536), std::string(16 * 65536, '\0'));
  EXPECT_EQ(Say(*vm, "cat /sys/class/misc/hw_random/rng_current"), "virtio_rng.0\n");
  EXPECT_EQ(Say(*vm, "dd if=/dev/hwrng bs=1024 count=8 2>/dev/null | wc -c"), "8192\n");
  EXPECT_EQ(Say(*vm, "vsock_peer check 2 80 4 100000"), "good\n");
  // The drivers let go of the devices, and take them again.
  EXPECT_EQ(Say(*vm,
                "rmmod virtio_blk virtio_rng; modprobe virtio_blk; modprobe virtio_rng; "
                "dd if=/dev/hwrng bs=1024 count=1 2>/dev/null | wc -c; "
                "dd if=/dev/vda bs=8 count=1 2>/dev/null"),
            "1024\nour disk");
  vm->Kill();
  EXPECT_EQ(*disk.process().Wait(kPatience), 0) << disk.process().errors();
  EXPECT_EQ(*rng.process().Wait(kPatience), 0) << rng.process().errors();
  EXPECT_EQ(*vsock.process().Wait(kPatience), 0) << vsock.process().errors();
}

// This process has a network of its own from now on, where it may make taps. False when the host
// does not allow it.
bool EnterOwnNetwork() {
  if (unshare(CLONE_NEWNET) != 0 && unshare(CLONE_NEWUSER | CLONE_NEWNET) != 0) return false;
  const ScopedFd tun(open("/dev/net/tun", O_RDWR | O_CLOEXEC));
  ifreq request = {};
  request.ifr_flags = IFF_TAP | IFF_NO_PI;
  return tun.valid() && ioctl(tun.get(), TUNSETIFF, &request) == 0;
}

TEST(VhostUserQemuTest, ConnectsQemusGuest) {
  if (access(kQemu, X_OK) != 0) GTEST_SKIP() << "qemu-system-x86 is not installed";
  if (!EnterOwnNetwork()) GTEST_SKIP() << "no network namespace of its own";
  const HostTap tap("tap0", "10.77.0.1/24");
  const SocketFolder folder;
  ServedDevice net(folder, "net", {"--net=tap-name=tap0"});
  ASSERT_FALSE(net.process().Poll().has_value()) << net.process().errors();
  const std::unique_ptr<Vm> vm =
      Vm::Start({kQemu,
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
                 "-chardev",
                 absl::StrCat("socket,id=net,path=", net.socket()),
                 "-netdev",
                 "vhost-user,id=net,chardev=net",
                 "-device",
                 "virtio-net-pci,netdev=net,vectors=0",
                 "-kernel",
                 Runfile(kCloudKernel.bzimage),
                 "-initrd",
                 Runfile("integration/virtio/all_devices_initramfs.cpio"),
                 "-append",
                 "console=ttyS0 quiet"})
          .value();
  ASSERT_TRUE(vm->AwaitReady(kPatience).ok()) << vm->console() << vm->errors();

  constexpr size_t kBytes = 300'000;
  TcpPeer peer(5001, TestPattern(kBytes));
  EXPECT_EQ(Say(*vm, "ip addr add 10.77.0.2/24 dev eth0; ip link set eth0 up"), "");
  EXPECT_EQ(Say(*vm, "ping -c 3 -w 30 -q 10.77.0.1 | grep -c '3 packets received'"), "1\n");
  EXPECT_EQ(Say(*vm, absl::StrCat("yes ", kPatternLine, " | head -c ", kBytes,
                                  " > /run/sent; nc 10.77.0.1 5001 < /run/sent > /run/got; "
                                  "cmp /run/sent /run/got && echo same")),
            "same\n");
  EXPECT_EQ(peer.Received(), TestPattern(kBytes));
  vm->Kill();
  EXPECT_EQ(*net.process().Wait(kPatience), 0) << net.process().errors();
}

}  // namespace
}  // namespace touchstone
