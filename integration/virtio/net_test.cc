// Debian's virtio-net driver over taps of the host.

#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "base/scoped_fd.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "integration/testing/runfiles.h"
#include "integration/virtio/net_host.h"
#include "integration/virtio/test_run.h"
#include "integration/virtio/virtio_guest.h"
#include "re2/re2.h"

namespace touchstone {
namespace {

using ::testing::AllOf;
using ::testing::Gt;
using ::testing::HasSubstr;

constexpr uint16_t kIperfPort = 5201;
constexpr char kDriver[] = "/sys/bus/virtio/drivers/virtio_net";

// What a test moves: little, or with --full what figures are made of.
int Pings() { return IsFullRun() ? 10'000 : 200; }
size_t Bytes() { return IsFullRun() ? 8 << 20 : 256 << 10; }
std::string IperfVolume() { return IsFullRun() ? "-t 10" : "-n 4M"; }

// Virtio devices: 0 is the entropy device, the next are the network's.
std::unique_ptr<Vm> StartNetGuest(int cpus, std::vector<std::string> options) {
  options.emplace_back("--no-balloon");
  return StartLinux(kCloudKernel, {.cpus = cpus,
                                   .memory_mib = 256,
                                   .initrd = Runfile("integration/virtio/net_initramfs.cpio"),
                                   .options = std::move(options)});
}

std::string Says(Vm& vm, absl::string_view command) {
  const absl::StatusOr<CommandResult> result = vm.Run(command, absl::Minutes(10));
  return result.ok() ? result->output : std::string(result.status().message());
}

// A network whose .1 is the host's and whose .2 is an interface of the guest.
class Link {
 public:
  Link(Vm& vm, std::string network, std::string interface)
      : vm_(vm), interface_(std::move(interface)), host_(network + ".1"), guest_(network + ".2") {}

  // "up" when all went well.
  std::string Up() {
    return Says(vm_, absl::StrCat("ip address flush dev ", interface_, " && ip address add ",
                                  guest_, "/24 dev ", interface_, " && ip link set ", interface_,
                                  " up && echo up"));
  }
  std::string Ping(int count) {
    return Says(vm_, absl::StrCat("ping -q -A -W 2 -c ", count, " ", host_, " | grep loss"));
  }
  [[nodiscard]] std::string HostPing(int count) const {
    return HostSays(
        absl::StrCat("busybox ping -q -A -W 2 -c ", count, " ", guest_, " | grep loss"));
  }
  // `size` bytes over TCP; whether they are what was sent.
  bool SendsToHost(size_t size) {
    TcpPeer peer(port_ += 1, "");
    const std::string said = Says(
        vm_, absl::StrCat("yes ", kPatternLine, " | head -c ", size, " | nc ", host_, " ", port_));
    return peer.Received() == TestPattern(size) && said.empty();
  }
  bool ReceivesFromHost(size_t size) {
    TcpPeer peer(port_ += 1, TestPattern(size));
    return Says(vm_, absl::StrCat("nc ", host_, " ", port_, " < /dev/null > /run/got; yes ",
                                  kPatternLine, " | head -c ", size,
                                  " | cmp - /run/got && echo same; rm /run/got")) == "same\n";
  }
  // What iperf3 says arrived, in Mbit/s. Also prints it.
  double ToHost(absl::string_view what) { return Iperf(what, "to the host", ""); }
  double ToGuest(absl::string_view what) { return Iperf(what, "to the guest", "-R"); }

 private:
  double Iperf(absl::string_view what, absl::string_view direction, absl::string_view options) {
    std::thread server([this] { HostSays(absl::StrCat("timeout 600 iperf3 -s -1 -B ", host_)); });
    AwaitListener(kIperfPort);
    const std::string said =
        Says(vm_, absl::StrCat("iperf3 -i 0 -f m -c ", host_, " ", options, " ", IperfVolume()));
    server.join();
    double rate = 0;
    if (!RE2::PartialMatch(said, "([0-9.]+) Mbits/sec +receiver", &rate)) {
      ADD_FAILURE() << what << ", " << direction << ": " << said;
    }
    printf("%s, %s: %.1f Mbit/s\n", std::string(what).c_str(), std::string(direction).c_str(),
           rate);
    return rate;
  }

  Vm& vm_;
  const std::string interface_;
  const std::string host_;
  const std::string guest_;
  uint16_t port_ = 5300;
};

std::string AllOfThem(int count) {
  return absl::StrCat(count, " packets transmitted, ", count,
                      " packets received, 0% packet loss\n");
}

// The driver comes and goes, with and without offloads, on a tap that the machine makes itself.
TEST(NetTest, ServesTheDriverOnATapOfItsOwn) {
  const std::unique_ptr<Vm> vm =
      StartNetGuest(1, {"--net=host-ip=10.9.1.1,netmask=255.255.255.0,mac=52:54:00:aa:bb:cc"});
  ASSERT_EQ(vm->AwaitReady(kBootLimit).status(), absl::OkStatus());
  Link link(*vm, "10.9.1", "eth0");
  ASSERT_EQ(link.Up(), "up\n");
  EXPECT_EQ(HostSays("cat /sys/class/net/vmtap0/address"), "52:54:00:aa:bb:cc\n");

  EXPECT_EQ(link.Ping(Pings()), AllOfThem(Pings()));
  EXPECT_EQ(link.HostPing(Pings()), AllOfThem(Pings()));
  EXPECT_TRUE(link.SendsToHost(Bytes()));
  EXPECT_TRUE(link.ReceivesFromHost(Bytes()));
  EXPECT_GT(link.ToHost("with segmentation"), 0);
  EXPECT_GT(link.ToGuest("with segmentation"), 0);
  EXPECT_THAT(Says(*vm, "cat /proc/interrupts"),
              AllOf(HasSubstr("virtio1-input.0"), HasSubstr("virtio1-output.0"),
                    HasSubstr("virtio1-config")));

  // The driver lets go of the device, and takes it again.
  EXPECT_EQ(Says(*vm, absl::StrCat("cd ", kDriver, " && echo virtio1 > unbind; ",
                                   "ls /sys/class/net; echo virtio1 > bind")),
            "lo\n");
  ASSERT_EQ(link.Up(), "up\n");
  EXPECT_EQ(link.Ping(20), AllOfThem(20));

  // The driver goes, and comes back without segmentation and checksums.
  EXPECT_EQ(Says(*vm, "modprobe -r virtio_net; modprobe virtio_net csum=0 gso=0"), "");
  ASSERT_EQ(link.Up(), "up\n");
  EXPECT_TRUE(link.SendsToHost(Bytes()));
  EXPECT_TRUE(link.ReceivesFromHost(Bytes()));
  EXPECT_GT(link.ToHost("without segmentation"), 0);
  EXPECT_GT(link.ToGuest("without segmentation"), 0);
  EXPECT_EQ(
      Says(*vm, "cd /sys/class/net/eth0/statistics && cat rx_errors tx_errors rx_length_errors"),
      "0\n0\n0\n");
  EXPECT_EQ(Says(*vm, "dmesg | grep -i virtio | grep -v 'random MAC address'"), "");
}

// Two pairs of queues for two processors; and frames in single buffers of packed rings. Both on
// taps that were there before, which say how long a frame may be.
TEST(NetTest, ServesSeveralPairsAndPackedRingsOnTapsByName) {
  const HostTap pairs_tap("pairs", "10.9.2.1/24", /*multi_queue=*/true);
  const HostTap packed_tap("packed", "10.9.3.1/24");
  ASSERT_EQ(HostSays("busybox ip link set packed mtu 1400"), "");
  const std::unique_ptr<Vm> vm =
      StartNetGuest(2, {"--net=tap-name=pairs,vq-pairs=2,mac=52:54:00:12:34:56",
                        "--net=tap-name=packed,packed-queue,mrg-rxbuf=false,mac=52:54:00:12:34:57,"
                        "pci-address=00:09.0"});
  ASSERT_EQ(vm->AwaitReady(kBootLimit).status(), absl::OkStatus());
  Link pairs(*vm, "10.9.2", "eth0");
  Link packed(*vm, "10.9.3", "eth1");
  ASSERT_EQ(pairs.Up(), "up\n");
  ASSERT_EQ(packed.Up(), "up\n");
  EXPECT_EQ(Says(*vm, "cd /sys/class/net && cat eth0/address eth1/address eth0/mtu eth1/mtu"),
            "52:54:00:12:34:56\n52:54:00:12:34:57\n1500\n1400\n");
  EXPECT_EQ(Says(*vm, "cat /sys/bus/pci/devices/0000:00:09.0/device"), "0x1041\n");

  EXPECT_EQ(Says(*vm, "ls /sys/class/net/eth0/queues"), "rx-0\nrx-1\ntx-0\ntx-1\n");
  EXPECT_EQ(pairs.Ping(Pings()), AllOfThem(Pings()));
  EXPECT_GT(pairs.ToHost("two pairs"), 0);
  EXPECT_GT(pairs.ToGuest("two pairs"), 0);
  // Each processor sends on its own pair.
  for (const int cpu : {1, 2}) {
    EXPECT_EQ(Says(*vm, absl::StrCat("taskset ", cpu, " ping -q -c 5 -i 0.1 10.9.2.1 | grep loss")),
              AllOfThem(5));
  }
  EXPECT_THAT(CountInterrupts(*vm, "virtio1-input.0") + CountInterrupts(*vm, "virtio1-input.1"),
              Gt(0u));
  EXPECT_EQ(Interrupts(*vm, "virtio1-output").size(), 2u);

  EXPECT_EQ(packed.Ping(Pings()), AllOfThem(Pings()));
  EXPECT_EQ(packed.HostPing(Pings()), AllOfThem(Pings()));
  EXPECT_TRUE(packed.SendsToHost(Bytes()));
  EXPECT_TRUE(packed.ReceivesFromHost(Bytes()));
  EXPECT_GT(packed.ToHost("packed"), 0);
  EXPECT_GT(packed.ToGuest("packed"), 0);
  // The address can be changed, and the host's frames find it.
  EXPECT_EQ(Says(*vm, "ip link set eth1 address 52:54:00:65:43:21"), "");
  EXPECT_EQ(packed.Ping(5), AllOfThem(5));
}

// The rings in the host's kernel, on a tap that somebody else opened.
TEST(NetTest, ServesFromTheKernelOnAnInheritedTap) {
  const HostTap tap("inherited", "10.9.4.1/24");
  const ScopedFd fd = tap.Open();
  const std::unique_ptr<Vm> vm =
      StartNetGuest(1, {absl::StrCat("--net=vhost-net,mac=52:54:00:12:34:56,tap-fd=", fd.get())});
  ASSERT_EQ(vm->AwaitReady(kBootLimit).status(), absl::OkStatus());
  Link link(*vm, "10.9.4", "eth0");
  ASSERT_EQ(link.Up(), "up\n");

  EXPECT_EQ(link.Ping(Pings()), AllOfThem(Pings()));
  EXPECT_EQ(link.HostPing(Pings()), AllOfThem(Pings()));
  EXPECT_TRUE(link.SendsToHost(Bytes()));
  EXPECT_TRUE(link.ReceivesFromHost(Bytes()));
  EXPECT_GT(link.ToHost("in the kernel"), 0);
  EXPECT_GT(link.ToGuest("in the kernel"), 0);
  EXPECT_EQ(Says(*vm, "modprobe -r virtio_net; modprobe virtio_net"), "");
  ASSERT_EQ(link.Up(), "up\n");
  EXPECT_EQ(link.Ping(20), AllOfThem(20));
}

}  // namespace
}  // namespace touchstone
