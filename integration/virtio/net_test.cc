// Debian's virtio-net driver over a tap of the host.

#include <chrono>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "integration/virtio/net_host.h"
#include "integration/virtio/virtio_guest.h"

namespace touchstone {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

constexpr char kDriver[] = "/sys/bus/virtio/drivers/virtio_net";
constexpr absl::string_view kGuestUp =
    "ip address flush dev eth0; ip address add $A.2/24 dev eth0 && ip link set eth0 up && echo up";

// A guest's end of a network 10.9.N.0/24 whose other end, .1, is the host's.
class NetGuest {
 public:
  NetGuest(int network, std::vector<std::string> options)
      : prefix_(absl::StrCat("10.9.", network)), vm_(StartVirtioGuest(std::move(options))) {}

  Vm& vm() { return *vm_; }
  [[nodiscard]] std::string host() const { return prefix_ + ".1"; }
  [[nodiscard]] std::string guest() const { return prefix_ + ".2"; }

  std::string Up() { return Say(*vm_, absl::StrCat("A=", prefix_, "; ", kGuestUp)); }
  std::string Ping(int count) {
    return Say(*vm_, absl::StrCat("ping -q -A -W 2 -c ", count, " ", host(), " | grep loss"));
  }
  [[nodiscard]] std::string HostPing(int count) const {
    return HostSays(
        absl::StrCat("busybox ping -q -A -W 2 -c ", count, " ", guest(), " | grep loss"));
  }
  // `size` bytes over TCP; true when they are what was sent. Says how long it took.
  bool SendsToHost(size_t size) {
    TcpPeer peer(port_ += 1, "");
    const auto start = std::chrono::steady_clock::now();
    const std::string said = Say(*vm_, absl::StrCat("yes ", kPatternLine, " | head -c ", size,
                                                    " | nc ", host(), " ", port_));
    const std::string& received = peer.Received();
    Tell("guest to host", size, start);
    EXPECT_EQ(said, "");
    return received == TestPattern(size);
  }
  bool ReceivesFromHost(size_t size) {
    TcpPeer peer(port_ += 1, TestPattern(size));
    const auto start = std::chrono::steady_clock::now();
    const std::string said = Say(
        *vm_, absl::StrCat("nc ", host(), " ", port_, " < /dev/null > /run/got; yes ", kPatternLine,
                           " | head -c ", size, " | cmp - /run/got && echo same; rm /run/got"));
    Tell("host to guest", size, start);
    return said == "same\n";
  }

 private:
  static void Tell(const char* direction, size_t size,
                   std::chrono::steady_clock::time_point start) {
    const std::chrono::duration<double> took = std::chrono::steady_clock::now() - start;
    printf("%s: %.1f MB/s\n", direction, static_cast<double>(size) / 1e6 / took.count());
  }

  const std::string prefix_;
  const std::unique_ptr<Vm> vm_;
  uint16_t port_ = 5000;
};

int Pings() { return IsFullRun() ? 10'000 : 200; }
size_t Bulk() { return IsFullRun() ? 256 << 20 : 8 << 20; }

std::string AllOfThem(int count) {
  return absl::StrCat(count, " packets transmitted, ", count,
                      " packets received, 0% packet loss\n");
}

// The driver and what it makes of offloads, on a tap that the machine makes itself.
TEST(NetTest, ServesTheDriverOnATapOfItsOwn) {
  NetGuest guest(1, {"--net=host-ip=10.9.1.1,netmask=255.255.255.0,mac=52:54:00:aa:bb:cc"});
  ASSERT_TRUE(guest.vm().AwaitReady(kBootLimit).ok());
  ASSERT_EQ(guest.Up(), "up\n");
  EXPECT_EQ(HostSays("cat /sys/class/net/vmtap0/address"), "52:54:00:aa:bb:cc\n");

  EXPECT_EQ(guest.Ping(Pings()), AllOfThem(Pings()));
  EXPECT_EQ(guest.HostPing(Pings()), AllOfThem(Pings()));
  EXPECT_TRUE(guest.SendsToHost(Bulk()));
  EXPECT_TRUE(guest.ReceivesFromHost(Bulk()));
  EXPECT_THAT(Say(guest.vm(), "cat /proc/interrupts"),
              AllOf(HasSubstr("virtio2-input.0"), HasSubstr("virtio2-output.0"),
                    HasSubstr("virtio2-config")));

  // The driver lets go of the device, and takes it again.
  EXPECT_EQ(Say(guest.vm(), absl::StrCat("cd ", kDriver, " && echo virtio2 > unbind; ",
                                         "ls /sys/class/net; echo virtio2 > bind")),
            "lo\n");
  ASSERT_EQ(guest.Up(), "up\n");
  EXPECT_EQ(guest.Ping(20), AllOfThem(20));

  // The driver goes, and comes back without segmentation and checksums.
  EXPECT_EQ(Say(guest.vm(), "modprobe -r virtio_net; modprobe virtio_net csum=0 gso=0"), "");
  ASSERT_EQ(guest.Up(), "up\n");
  EXPECT_TRUE(guest.SendsToHost(Bulk() / 4));
  EXPECT_TRUE(guest.ReceivesFromHost(Bulk() / 4));
  EXPECT_EQ(Say(guest.vm(),
                "cat /sys/class/net/eth0/statistics/rx_errors "
                "/sys/class/net/eth0/statistics/tx_errors "
                "/sys/class/net/eth0/statistics/rx_length_errors"),
            "0\n0\n0\n");
  EXPECT_EQ(Say(guest.vm(), "dmesg | grep -i virtio | grep -v 'random MAC address'"), "");
}

}  // namespace
}  // namespace touchstone
