// Debian's virtio-net driver over passt, with a host's side that has no privilege at all: machine
// and passt run as nobody. The first interface's passt is started by the machine, the second one's
// by the test.

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include <chrono>
#include <cstring>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "base/log.h"
#include "base/scoped_fd.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "integration/boot/linux_guest.h"
#include "integration/testing/child_process.h"
#include "integration/testing/runfiles.h"
#include "integration/testing/test_arguments.h"
#include "integration/testing/vm.h"
#include "integration/virtio/net_host.h"
#include "integration/virtio/test_run.h"
#include "integration/virtio/virtio_guest.h"

namespace touchstone {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::MatchesRegex;

constexpr absl::Duration kTransferLimit = absl::Seconds(500);
constexpr uint16_t kHostPort = 18022;  // Leads to the guest's kGuestPort.
constexpr uint16_t kGuestPort = 8080;
constexpr absl::string_view kSecondGateway = "198.51.100.1";

// What udhcpc does with a lease (its own environment variables).
constexpr absl::string_view kLeaseScript =
    "[ $1 = bound ] || exit 0; ip address add $ip/$mask dev $interface; "
    "ip route add default via $router metric $(cat /sys/class/net/$interface/ifindex); "
    "echo lease $ip $router";

size_t Bulk() { return IsFullRun() ? 200 << 20 : 4 << 20; }
// With small packets, which take an emulated machine their time.
size_t SmallBulk() { return IsFullRun() ? 20 << 20 : 1 << 20; }

// The same command for somebody without privilege, if we have any.
std::vector<std::string> AsNobody(std::vector<std::string> command) {
  if (geteuid() != 0) return command;
  std::vector<std::string> all = {"setpriv",        "--reuid=65534",  "--regid=65534",
                                  "--clear-groups", "--no-new-privs", "--inh-caps=-all"};
  all.insert(all.end(), command.begin(), command.end());
  return all;
}

// A folder of nobody's, with copies of what nobody could not read where it is.
class Workplace {
 public:
  Workplace() {
    char name[] = "/tmp/user_net_test.XXXXXX";
    CHECK(mkdtemp(name) != nullptr);
    folder_ = name;
    if (geteuid() == 0) CHECK(chown(name, 65534, 65534) == 0);
  }
  ~Workplace() { HostSays(absl::StrCat("rm -rf ", folder_)); }

  [[nodiscard]] std::string Path(absl::string_view name) const {
    return absl::StrCat(folder_, "/", name);
  }
  [[nodiscard]] std::string Copy(absl::string_view runfile, absl::string_view name) const {
    EXPECT_EQ(HostSays(absl::StrCat("install -m 755 ", Runfile(runfile), " ", Path(name))), "");
    return Path(name);
  }

 private:
  std::string folder_;
};

// A host has a network; the lab gets one here, since passt copies its addresses.
void GiveLabANetwork() {
  if (getenv("TOUCHSTONE_LAB") == nullptr) return;
  ASSERT_EQ(HostSays("busybox ip link add name host0 type bridge && "
                     "busybox ip address add 192.0.2.2/24 dev host0 && "
                     "busybox ip link set host0 up && "
                     "busybox ip route add default via 192.0.2.1"),
            "");
}

sockaddr_in Loopback(uint16_t port) {
  sockaddr_in address = {};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  return address;
}

bool AwaitReadable(int fd) {
  pollfd waiting = {.fd = fd, .events = POLLIN, .revents = 0};
  return poll(&waiting, 1, 120'000) == 1;
}

// passt that listens on a path.
std::unique_ptr<ChildProcess> StartPasst(const std::string& path) {
  unlink(path.c_str());
  std::unique_ptr<ChildProcess> passt = *ChildProcess::Start(
      AsNobody({"passt", "--foreground", "--quiet", "--socket", path, "--ipv4-only", "--address",
                "198.51.100.2", "--netmask", "24", "--gateway", std::string(kSecondGateway)}),
      ChildProcess::Streams::kPipes);
  for (int i = 0; i < 600 && access(path.c_str(), F_OK) != 0; ++i)
    passt->Pump(absl::Milliseconds(100));
  return passt;
}

// Takes one connection, says "go", and takes `size` bytes of the pattern.
class UploadServer {
 public:
  UploadServer(uint16_t port, size_t size)
      : listener_(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)), size_(size) {
    const sockaddr_in address = Loopback(port);
    CHECK(bind(listener_.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)) == 0);
    CHECK(listen(listener_.get(), 1) == 0);
    thread_ = std::thread([this] { Serve(); });
  }
  ~UploadServer() {
    if (thread_.joinable()) thread_.join();
  }
  UploadServer(const UploadServer&) = delete;
  UploadServer& operator=(const UploadServer&) = delete;

  // How many bytes of the pattern came, up to the first that is none of it.
  size_t Received() {
    thread_.join();
    return received_;
  }

 private:
  void Serve() {
    if (!AwaitReadable(listener_.get())) return;
    const ScopedFd connection(accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC));
    send(connection.get(), "go\n", 3, MSG_NOSIGNAL);
    constexpr size_t kBuffer = 1 << 16;
    // From any place in a line.
    const std::string pattern = TestPattern(kBuffer + 2 * sizeof(kPatternLine));
    const size_t line = absl::string_view(kPatternLine).size() + 1;
    char buffer[kBuffer];
    while (received_ < size_ && AwaitReadable(connection.get())) {
      const ssize_t count = read(connection.get(), buffer, sizeof(buffer));
      if (count <= 0 || pattern.compare(received_ % line, static_cast<size_t>(count), buffer,
                                        static_cast<size_t>(count)) != 0) {
        return;
      }
      received_ += static_cast<size_t>(count);
    }
  }

  const ScopedFd listener_;
  const size_t size_;
  size_t received_ = 0;
  std::thread thread_;
};

void Tell(const char* what, size_t size, std::chrono::steady_clock::time_point start) {
  const std::chrono::duration<double> took = std::chrono::steady_clock::now() - start;
  printf("%s: %.1f MB/s\n", what, static_cast<double>(size) / 1e6 / took.count());
  fflush(stdout);
}

class UserNetTest : public testing::Test {
 protected:
  // What a command of the guest says; it may take long.
  std::string Ask(const std::string& command) {
    const absl::StatusOr<CommandResult> result = vm_->Run(command, kTransferLimit);
    return result.ok() ? result->output : std::string(result.status().message());
  }
  // Brings an interface up by DHCP; returns the gateway's address.
  std::string Lease(const std::string& interface) {
    const std::string said =
        Ask(absl::StrCat("ip link set ", interface, " up; udhcpc -f -q -n -t 20 -T 2 -i ",
                         interface, " -s /run/lease 2> /dev/null | grep lease"));
    const size_t space = said.rfind(' ');
    return space == std::string::npos
               ? said
               : std::string(absl::StripSuffix(said.substr(space + 1), "\n"));
  }
  // A file over HTTP from a server of the host; what its checksum is in the guest.
  std::string Download(const std::string& gateway, size_t size) {
    const TcpPeer server(port_ += 1, absl::StrCat("HTTP/1.0 200 OK\r\nContent-Length: ", size,
                                                  "\r\n\r\n", TestPattern(size)));
    const auto start = std::chrono::steady_clock::now();
    std::string said =
        Ask(absl::StrCat("wget -q -O - http://", gateway, ":", port_, "/file | md5sum"));
    Tell("download", size, start);
    return said;
  }
  static std::string Checksum(size_t size) {
    return HostSays(
        absl::StrCat("yes ", kPatternLine, " 2> /dev/null | head -c ", size, " | md5sum"));
  }
  // The guest sends a file in large pieces; how much of it the host has got.
  size_t Upload(const std::string& gateway, size_t size) {
    UploadServer server(port_ += 1, size);
    const auto start = std::chrono::steady_clock::now();
    EXPECT_EQ(Ask(absl::StrCat("nc ", gateway, " ", port_,
                               " -e sh -c 'read word; echo $word > /run/word; yes ", kPatternLine,
                               " | head -c ", size,
                               " | dd bs=64k iflag=fullblock status=none'; cat /run/word")),
              "go\n");
    const size_t received = server.Received();
    Tell("upload", size, start);
    return received;
  }
  // Waits until the guest says that the link of an interface is up (1) or down (0).
  std::string AwaitCarrier(const std::string& interface, int wanted) {
    return Ask(absl::StrCat("for i in $(seq 100); do [ $(cat /sys/class/net/", interface,
                            "/carrier) = ", wanted, " ] && echo seen && break; sleep 0.2; done"));
  }

  std::unique_ptr<Vm> vm_;
  uint16_t port_ = 15000;
};

// What the guest's end of a forwarded port answers. Says something first, as Debian 12's passt
// (2023-03-09) completes the guest's handshake with the first data of the host's side only.
std::string AskPort(uint16_t port, absl::string_view question) {
  const ScopedFd connection(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  const sockaddr_in address = Loopback(port);
  if (connect(connection.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)) !=
      0) {
    return strerror(errno);
  }
  send(connection.get(), question.data(), question.size(), MSG_NOSIGNAL);
  std::string text;
  char buffer[256];
  while (AwaitReadable(connection.get())) {
    const ssize_t count = read(connection.get(), buffer, sizeof(buffer));
    if (count <= 0) break;
    text.append(buffer, static_cast<size_t>(count));
  }
  return text;
}

// What /proc has of the passt that the machine started; nothing when there is none.
std::string MachinesPasst() {
  return HostSays(
      absl::StrCat("grep -la 'tcp-port[s].", kHostPort, ":' /proc/[0-9]*/cmdline 2> /dev/null"));
}

TEST_F(UserNetTest, NobodysGuestReachesTheHost) {
  GiveLabANetwork();
  const Workplace place;
  const std::string path = place.Path("passt.socket");
  std::unique_ptr<ChildProcess> passt = StartPasst(path);
  std::vector<std::string> command = {
      place.Copy("vmm/touchstone", "touchstone"),
      "run",
      "--params=quiet",
      "--mem=256",
      absl::StrCat("--initrd=", place.Copy(kCloudKernel.initramfs, "initramfs")),
      absl::StrCat("--net=passt=[tcp-ports=[", kHostPort, ":", kGuestPort, "],args=[-4]]"),
      absl::StrCat("--net=socket=", path)};
  for (std::string& option : MachineOptions()) command.push_back(std::move(option));
  command.push_back(place.Copy(kCloudKernel.vmlinux, "vmlinux"));
  vm_ = *Vm::Start(AsNobody(std::move(command)));
  const absl::StatusOr<std::string> ready = vm_->AwaitReady(kBootLimit);
  ASSERT_TRUE(ready.ok()) << ready.status().message() << passt->errors();
  EXPECT_THAT(
      HostSays(absl::StrCat("grep -E '^(Uid|CapEff|CapPrm)' /proc/", vm_->pid(), "/status")),
      AllOf(MatchesRegex("Uid:\t([1-9][0-9]*\t?)+\nCapPrm:\t0+\nCapEff:\t0+\n")));
  EXPECT_NE(MachinesPasst(), "");

  // Addresses by DHCP, and the largest packets where passt is known to be the other side.
  Ask(absl::StrCat("echo '#!/bin/sh' > /run/lease; echo '", kLeaseScript,
                   "' >> /run/lease; chmod 755 /run/lease"));
  const std::string gateway = Lease("eth0");
  ASSERT_THAT(gateway, MatchesRegex("[0-9.]+")) << Ask("dmesg | tail");
  ASSERT_EQ(Lease("eth1"), kSecondGateway);
  EXPECT_EQ(Ask("cat /sys/class/net/eth?/mtu"), "65520\n1500\n");

  // The host's loopback is at the gateway.
  const std::string second(kSecondGateway);
  EXPECT_EQ(Download(gateway, Bulk()), Checksum(Bulk()));
  EXPECT_EQ(Upload(gateway, Bulk()), Bulk());
  EXPECT_EQ(Download(second, SmallBulk()), Checksum(SmallBulk()));
  EXPECT_EQ(Upload(second, SmallBulk()), SmallBulk());

  // The other way.
  Ask(absl::StrCat("(echo hello from the guest | nc -l -p ", kGuestPort,
                   ") > /run/heard 2>&1 & sleep 1"));
  EXPECT_EQ(AskPort(kHostPort, "hello from the host\n"), "hello from the guest\n");
  EXPECT_EQ(Ask("cat /run/heard"), "hello from the host\n");

  // A passt that goes takes the link with it, until another one listens.
  passt->Signal(SIGKILL);
  EXPECT_EQ(AwaitCarrier("eth1", 0), "seen\n");
  passt = StartPasst(path);
  EXPECT_EQ(AwaitCarrier("eth1", 1), "seen\n");
  EXPECT_EQ(Download(second, 1 << 16), Checksum(1 << 16));

  // The machine goes, and so does its passt.
  EXPECT_EQ(Ask("cat /sys/class/net/eth?/carrier; dmesg | grep -i virtio | grep -v random"),
            "1\n1\n");
  vm_->Kill();
  for (int i = 0; i < 300 && !MachinesPasst().empty(); ++i) absl::SleepFor(absl::Milliseconds(100));
  EXPECT_EQ(MachinesPasst(), "");
}

}  // namespace
}  // namespace touchstone
