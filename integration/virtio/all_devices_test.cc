// Every kind of virtio device in one guest with Debian's drivers, several of those of which there
// can be several, at their places on the PCI bus and all at work at once.

#include <stdlib.h>
#include <unistd.h>

#include <fstream>
#include <iterator>
#include <memory>
#include <random>
#include <string>
#include <thread>
#include <utility>

#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "base/fd_socket.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "integration/testing/runfiles.h"
#include "integration/virtio/balloon_channel.h"
#include "integration/virtio/host_socket.h"
#include "integration/virtio/net_host.h"
#include "integration/virtio/test_run.h"
#include "integration/virtio/virtio_guest.h"
#include "integration/virtio/vsock_peer.h"

namespace touchstone {
namespace {

using ::testing::Gt;

constexpr size_t kDisk = 8 << 20;
constexpr uint32_t kVsockPort = 80;

std::string NoiseOf(size_t size) {
  std::mt19937_64 random(7);
  std::string bytes(size, '\0');
  for (char& byte : bytes) byte = static_cast<char>(random());
  return bytes;
}

std::string ContentsOf(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

class AllDevicesTest : public testing::Test {
 protected:
  void Boot() {
    std::ofstream(Path("disk0"), std::ios::binary) << NoiseOf(kDisk);
    std::ofstream(Path("disk1"), std::ios::binary) << std::string(kDisk, '\0');
    const auto socket = [this](const char* keys, const char* name) {
      return absl::StrCat("--serial=unix-stream,input-unix-stream,hardware=", keys,
                          ",path=", Path(name));
    };
    const auto net = [](int last) {
      return absl::StrCat("--net=tap-name=all", last, ",mac=52:54:00:00:00:0", last);
    };
    vm_ = StartLinux(
        kCloudKernel,
        {.memory_mib = 256,
         .initrd = Runfile("integration/virtio/all_devices_initramfs.cpio"),
         .options = {"--serial=stdout,num=1,stdin,console", socket("virtio-console,num=1", "hvc0"),
                     socket("virtio-console,num=2,name=org.example.echo", "echo"),
                     socket("legacy-virtio-console", "legacy"),
                     absl::StrCat("--block=path=", Path("disk0"), ",ro,id=FIRST"),
                     absl::StrCat("--block=path=", Path("disk1"), ",packed-queue,id=SECOND"),
                     balloon_.option(), net(1), net(2),
                     absl::StrCat("--vsock=cid=42,socket=", Path("vsock"))}});
  }
  std::string Path(absl::string_view name) const { return absl::StrCat(folder_, "/", name); }
  std::string Tell(absl::string_view command) { return Say(*vm_, command); }

  char folder_[24] = "/tmp/all_XXXXXX";
  const char* const made_ = mkdtemp(folder_);
  HostSocket hvc0_{Path("hvc0")};
  HostSocket echo_{Path("echo")};
  HostSocket legacy_{Path("legacy")};
  FdListener vsock_ =
      FdListener::Listen(absl::StrCat(Path("vsock_"), kVsockPort), FdSocket::Kind::kStream).value();
  BalloonChannel balloon_;
  const HostTap first_tap_{"all1", "10.8.1.1/24"};
  const HostTap second_tap_{"all2", "10.8.2.1/24"};
  std::unique_ptr<Vm> vm_;
};

TEST_F(AllDevicesTest, WorkAtOnce) {
  Boot();
  const absl::StatusOr<std::string> ready = vm_->AwaitReady(kBootLimit);
  ASSERT_TRUE(ready.ok()) << ready.status();
  for (HostSocket* socket : {&hvc0_, &echo_, &legacy_}) {
    ASSERT_TRUE(socket->Accept(kCommandLimit).ok());
  }

  // Host bridge, consoles, disks, entropy, balloon, networks, sockets, pvpanic.
  EXPECT_EQ(Tell("cd /sys/bus/pci/devices; for i in *; do echo $i $(cat $i/device); done"),
            "0000:00:00.0 0x1237\n0000:00:01.0 0x1043\n0000:00:02.0 0x1043\n"
            "0000:00:03.0 0x1042\n0000:00:04.0 0x1042\n0000:00:05.0 0x1044\n"
            "0000:00:06.0 0x1045\n0000:00:07.0 0x1041\n0000:00:08.0 0x1041\n"
            "0000:00:09.0 0x1053\n0000:00:0a.0 0x0011\n");
  EXPECT_EQ(Tell("cat /sys/block/vda/serial; echo; cat /sys/block/vdb/serial"), "FIRST\nSECOND");
  EXPECT_EQ(Tell("for i in 1 2; do ip address add 10.8.$i.2/24 dev eth$((i-1)); "
                 "ip link set eth$((i-1)) up; done"),
            "");

  // In the guest: entropy, disk to disk, both networks, a port that echoes.
  EXPECT_EQ(Tell("(dd if=/dev/hwrng of=/run/random bs=1024 count=64 iflag=fullblock; "
                 "touch /run/random.done) > /dev/null 2>&1 &"),
            "");
  EXPECT_EQ(Tell("(dd if=/dev/vda of=/dev/vdb bs=256k; sync; touch /run/disk.done) "
                 "> /dev/null 2>&1 &"),
            "");
  EXPECT_EQ(Tell("(for i in 1 2; do ping -q -A -c 100 10.8.$i.1; done > /run/ping; "
                 "touch /run/ping.done) > /dev/null 2>&1 &"),
            "");
  EXPECT_EQ(Tell("(dd bs=32768 count=4 iflag=fullblock <&3 >&3) 3<>/dev/vport0p1 "
                 "> /dev/null 2>&1 &"),
            "");
  // Meanwhile: the balloon fills, and the host talks to the port, the consoles and a socket.
  ASSERT_EQ(balloon_.Next(), "\"Ready\"");
  balloon_.Aim(64 << 20);
  const std::string text = NoiseOf(4 * 32768);
  EXPECT_EQ(echo_.Exchange(text, text.size(), kCommandLimit).value_or(""), text);
  EXPECT_EQ(Tell("echo one > /dev/hvc0; echo two > /dev/hvc1"), "");
  EXPECT_EQ(hvc0_.Exchange("", 5, kCommandLimit).value_or(""), "one\r\n");
  EXPECT_EQ(legacy_.Exchange("", 5, kCommandLimit).value_or(""), "two\r\n");
  std::thread peer([this] { EchoUntil(vsock_.fd(), -1, 3); });
  EXPECT_EQ(Tell("vsock_peer check 2 80 3 100000"), "good\n");
  peer.join();

  EXPECT_EQ(Tell("for i in random disk ping; do while [ ! -e /run/$i.done ]; do usleep 50000; "
                 "done; done; grep loss /run/ping; wc -c < /run/random"),
            "100 packets transmitted, 100 packets received, 0% packet loss\n"
            "100 packets transmitted, 100 packets received, 0% packet loss\n65536\n");
  EXPECT_EQ(balloon_.Adjust(64 << 20), 64 << 20);
  EXPECT_GT(balloon_.Statistic("free_memory"), 0);
  EXPECT_TRUE(ContentsOf(Path("disk1")) == NoiseOf(kDisk));
  // From the host, without the privilege that it takes to ping.
  EXPECT_EQ(Tell("(echo hello | nc -l -p 80) > /run/heard 2>&1 & usleep 200000"), "");
  EXPECT_EQ(HostSays("busybox nc -w 30 10.8.2.2 80 < /dev/null"), "hello\n");

  // Each had interrupts of its own, and nothing to complain about.
  for (int device = 0; device < 9; ++device) {
    EXPECT_THAT(CountInterrupts(*vm_, absl::StrCat("virtio", device, "-")), Gt(0u)) << device;
  }
  EXPECT_EQ(Tell("dmesg | grep -i -E 'virtio|balloon|irq .*nobody' | "
                 "grep -v -E 'enabling device|virtio_blk|random MAC'"),
            "");
  ASSERT_TRUE(vm_->RunWithoutAnswer("poweroff -f").ok());
  EXPECT_EQ(vm_->Wait(kCommandLimit).value_or(-1), 0);
}

}  // namespace
}  // namespace touchstone
