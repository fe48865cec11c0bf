// Debian's vsock driver over the socket device: through unix sockets, and through the host kernel's
// vhost-vsock. --full opens a thousand connections each way instead of a few.

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "base/event_fd.h"
#include "base/fd_socket.h"
#include "gtest/gtest.h"
#include "integration/testing/guest_command.h"
#include "integration/testing/runfiles.h"
#include "integration/virtio/test_run.h"
#include "integration/virtio/virtio_guest.h"
#include "integration/virtio/vsock_peer.h"

namespace touchstone {
namespace {

// As Say, with more patience.
std::string Ask(Vm& vm, absl::string_view command) {
  const absl::StatusOr<CommandResult> result =
      vm.Run(command, IsFullRun() ? absl::Minutes(20) : 3 * kCommandLimit);
  return result.ok() ? result->output : std::string(result.status().message());
}

// Connections each way, and bytes of a single large one.
int Many() { return IsFullRun() ? 1000 : 50; }
size_t Bulk() { return IsFullRun() ? 16 << 20 : 2 << 20; }

constexpr int kPatience = 120;  // Seconds without progress.
constexpr uint32_t kCid = 42;

// Commands of the guest.
constexpr char kUnbind[] =
    "cd /sys/bus/virtio/drivers/vmw_vsock_virtio_transport && echo virtio* | tee /run/device > "
    "unbind";
constexpr char kBind[] =
    "cat /run/device > /sys/bus/virtio/drivers/vmw_vsock_virtio_transport/bind";
constexpr char kReload[] =
    "rmmod vmw_vsock_virtio_transport && modprobe vmw_vsock_virtio_transport";
constexpr char kComplaints[] = "dmesg | grep -i -E 'vsock.*(fail|error)|lockup|BUG:'";

std::unique_ptr<Vm> StartGuest(std::string option) {
  return StartLinux(kCloudKernel, {.memory_mib = 256,
                                   .initrd = Runfile("integration/virtio/vsock_initramfs.cpio"),
                                   .options = {std::move(option)}});
}

// An echo on a thread of its own.
class EchoThread {
 public:
  explicit EchoThread(int listener)
      : listener_(listener), thread_([this] { EchoUntil(listener_.get(), stop_.fd(), 0); }) {}
  ~EchoThread() {
    stop_.Signal();
    thread_.join();
  }

 private:
  const ScopedFd listener_;
  const EventFd stop_ = EventFd::Create().value();
  std::thread thread_;
};

int ListenUnix(const std::string& path) {
  FdListener listener = FdListener::Listen(path, FdSocket::Kind::kStream).value();
  const int fd = fcntl(listener.fd(), F_DUPFD_CLOEXEC, 0);
  listen(fd, 4096);
  // The path has to stay.
  static std::vector<FdListener> kept;
  kept.push_back(std::move(listener));
  return fd;
}

// A connection to a port of the guest, past the handshake; what the handshake said otherwise.
int ConnectToGuest(const std::string& path, uint32_t port, std::string& answer) {
  FdSocket socket = FdSocket::Connect(path, FdSocket::Kind::kStream).value();
  const std::string line = absl::StrCat("CONNECT ", port, "\n");
  EXPECT_EQ(send(socket.fd(), line.data(), line.size(), MSG_NOSIGNAL),
            static_cast<ssize_t>(line.size()));
  char byte = 0;
  answer.clear();
  while (byte != '\n' && recv(socket.fd(), &byte, 1, 0) == 1) answer.push_back(byte);
  return absl::StartsWith(answer, "OK ") ? std::move(socket).Release().Release() : -1;
}

// Starts an echo in the guest, and waits until it listens.
void ServeInGuest(Vm& vm, uint32_t port, int connections) {
  EXPECT_EQ(Ask(vm, absl::StrCat("vsock_peer echo ", port, " ", connections,
                                 " > /run/echo 2>&1 & until grep -qs . /run/echo; do usleep 10000; "
                                 "done; cat /run/echo; rm /run/echo")),
            "listening\n");
}

// Says how long its scope takes.
class Timed {
 public:
  Timed(absl::string_view what, int connections, size_t bytes)
      : what_(absl::StrCat(what, ", ", connections, " connections of ", bytes, " bytes: ")) {}
  ~Timed() {
    printf("%s%.2f s\n", what_.c_str(), absl::ToDoubleSeconds(absl::Now() - start_));
    fflush(stdout);
  }

 private:
  const std::string what_;
  const absl::Time start_ = absl::Now();
};

// Connections of the guest to an echo on the host.
std::string CheckFromGuest(Vm& vm, uint32_t port, int connections, size_t bytes) {
  const Timed timed("from the guest", connections, bytes);
  return Ask(vm, absl::StrCat("vsock_peer check 2 ", port, " ", connections, " ", bytes));
}

class VsockUnixTest : public testing::Test {
 protected:
  ~VsockUnixTest() override { unlink((path_ + "_80").c_str()); }

  // Connections from the host, all of which are open at once.
  std::string CheckFromHost(uint32_t port, int connections, size_t bytes) {
    const Timed timed("from the host", connections, bytes);
    std::vector<int> sockets;
    for (int i = 0; i < connections; ++i) {
      std::string answer;
      sockets.push_back(ConnectToGuest(path_, port, answer));
      if (sockets.back() < 0) return absl::StrCat("connection ", i, ": '", answer, "'");
    }
    return CheckEcho(sockets, bytes, kPatience);
  }

  char folder_[17] = "/tmp/vsockXXXXXX";
  const std::string path_ = std::string(mkdtemp(folder_)) + "/s";
};

TEST_F(VsockUnixTest, ServesTheDriver) {
  const EchoThread echo(ListenUnix(path_ + "_80"));
  std::unique_ptr<Vm> vm = StartGuest(absl::StrCat("--vsock=cid=42,socket=", path_));
  ASSERT_TRUE(vm->AwaitReady(kBootLimit).ok());

  // The guest connects.
  EXPECT_EQ(CheckFromGuest(*vm, 80, 1, 10), "good\n");
  EXPECT_EQ(CheckFromGuest(*vm, 80, Many(), 3000), "good\n");
  EXPECT_EQ(CheckFromGuest(*vm, 80, 1, Bulk()), "good\n");
  EXPECT_EQ(Ask(*vm, "vsock_peer say 2 80 'half closed'"), "half closed\n");
  EXPECT_EQ(Ask(*vm, "vsock_peer refused 2 81"), "Connection reset by peer\n");
  EXPECT_EQ(Ask(*vm, "vsock_peer refused 9 80"), "Connection reset by peer\n");

  // The host connects.
  std::string answer;
  EXPECT_EQ(ConnectToGuest(path_, 5000, answer), -1);
  EXPECT_EQ(answer, "");
  ServeInGuest(*vm, 5000, 1 + Many() + 1);
  EXPECT_EQ(CheckFromHost(5000, 1, 10), "");
  EXPECT_EQ(CheckFromHost(5000, Many(), 3000), "");
  EXPECT_EQ(CheckFromHost(5000, 1, Bulk()), "");

  // The driver lets go of the device with a connection open, and takes it again.
  ServeInGuest(*vm, 5001, 1);
  const ScopedFd open(ConnectToGuest(path_, 5001, answer));
  ASSERT_TRUE(open.valid()) << answer;
  EXPECT_EQ(Ask(*vm, kUnbind), "");
  char byte;
  EXPECT_EQ(recv(open.get(), &byte, 1, 0), 0);
  EXPECT_EQ(Ask(*vm, kBind), "");
  EXPECT_EQ(CheckFromGuest(*vm, 80, 3, 3000), "good\n");

  // The driver goes, and comes back.
  EXPECT_EQ(Ask(*vm, kReload), "");
  EXPECT_EQ(CheckFromGuest(*vm, 80, 3, 3000), "good\n");
  ServeInGuest(*vm, 5000, 3);
  EXPECT_EQ(CheckFromHost(5000, 3, 3000), "");
  EXPECT_EQ(Ask(*vm, kComplaints), "");

  // The socket goes with the machine.
  EXPECT_EQ(vm->Stop(kCommandLimit).value_or(-1), 0);
  EXPECT_NE(access(path_.c_str(), F_OK), 0);
}

std::string CheckFromHost(uint32_t port, int connections, size_t bytes) {
  const Timed timed("from the host", connections, bytes);
  std::vector<int> sockets;
  for (int i = 0; i < connections; ++i) sockets.push_back(ConnectVsock(kCid, port));
  return CheckEcho(sockets, bytes, kPatience);
}

TEST(VsockVhostTest, ServesTheDriver) {
  if (const ScopedFd node(open("/dev/vhost-vsock", O_RDWR | O_CLOEXEC)); !node.valid()) {
    GTEST_SKIP() << "this host has no vhost-vsock";
  }
  const EchoThread echo(ListenVsock(80));
  std::unique_ptr<Vm> vm = StartGuest(absl::StrCat("--cid=", kCid));
  ASSERT_TRUE(vm->AwaitReady(kBootLimit).ok());

  EXPECT_EQ(CheckFromGuest(*vm, 80, Many(), 3000), "good\n");
  EXPECT_EQ(CheckFromGuest(*vm, 80, 1, Bulk()), "good\n");
  EXPECT_EQ(Ask(*vm, "vsock_peer refused 2 81"), "Connection reset by peer\n");

  ServeInGuest(*vm, 5000, Many() + 1);
  EXPECT_EQ(CheckFromHost(5000, Many(), 3000), "");
  EXPECT_EQ(CheckFromHost(5000, 1, Bulk()), "");

  ServeInGuest(*vm, 5001, 1);
  const ScopedFd open(ConnectVsock(kCid, 5001));
  ASSERT_TRUE(open.valid());
  EXPECT_EQ(Ask(*vm, kUnbind), "");
  EXPECT_EQ(Ask(*vm, kBind), "");
  EXPECT_EQ(CheckFromGuest(*vm, 80, 3, 3000), "good\n");

  EXPECT_EQ(Ask(*vm, kReload), "");
  EXPECT_EQ(CheckFromGuest(*vm, 80, 3, 3000), "good\n");
  ServeInGuest(*vm, 5000, 3);
  EXPECT_EQ(CheckFromHost(5000, 3, 3000), "");
  EXPECT_EQ(Ask(*vm, kComplaints), "");
}

}  // namespace
}  // namespace touchstone

int main(int argc, char** argv) {
  testing::InitGoogleTest(&argc, argv);
  rlimit limit;
  if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
  }
  return RUN_ALL_TESTS();
}
