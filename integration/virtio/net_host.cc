#include "integration/virtio/net_host.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstring>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "base/log.h"
#include "integration/virtio/test_run.h"

namespace touchstone {
namespace {

// How long a peer waits for the guest.
constexpr int kPatienceMs = 120'000;

}  // namespace

void AwaitListener(uint16_t port) {
  // A line: its number, the local address and port in hexadecimal, the other side's, the state, of
  // which 0A is LISTEN.
  const std::string line = absl::StrFormat(":%04X [0-9A-F:]* 0A ", port);
  for (int i = 0; i < 600; ++i) {
    if (!HostSays(absl::StrCat("grep '", line, "' /proc/net/tcp")).empty()) return;
    usleep(100'000);
  }
}

HostTap::HostTap(std::string name, const std::string& address, bool multi_queue)
    : name_(std::move(name)), multi_queue_(multi_queue) {
  if (geteuid() != 0) return;
  CHECK(ioctl(Open().get(), TUNSETPERSIST, 1) == 0);
  const std::string said = HostSays(absl::StrCat("busybox ip address add ", address, " dev ", name_,
                                                 " && busybox ip link set ", name_, " up"));
  CHECK(said.empty());
}

HostTap::~HostTap() {
  if (geteuid() == 0) HostSays(absl::StrCat("busybox ip link delete ", name_));
}

ScopedFd HostTap::Open() const {
  ScopedFd fd(open("/dev/net/tun", O_RDWR));
  CHECK(fd.valid());
  ifreq request = {};
  request.ifr_flags =
      static_cast<short>(IFF_TAP | IFF_NO_PI | IFF_VNET_HDR | (multi_queue_ ? IFF_MULTI_QUEUE : 0));
  CHECK(name_.size() < sizeof(request.ifr_name));
  memcpy(request.ifr_name, name_.data(), name_.size());
  CHECK(ioctl(fd.get(), TUNSETIFF, &request) == 0);
  return fd;
}

std::string TestPattern(size_t size) {
  std::string pattern;
  pattern.reserve(size + sizeof(kPatternLine));
  while (pattern.size() < size) absl::StrAppend(&pattern, kPatternLine, "\n");
  pattern.resize(size);
  return pattern;
}

TcpPeer::TcpPeer(uint16_t port, std::string send)
    : listener_(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)), send_(std::move(send)) {
  const int on = 1;
  CHECK(setsockopt(listener_.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) == 0);
  sockaddr_in address = {};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  CHECK(bind(listener_.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)) == 0);
  CHECK(listen(listener_.get(), 1) == 0);
  thread_ = std::thread([this] { Serve(); });
}

TcpPeer::~TcpPeer() {
  if (thread_.joinable()) thread_.join();
}

const std::string& TcpPeer::Received() {
  thread_.join();
  return received_;
}

void TcpPeer::Serve() {
  pollfd listening = {.fd = listener_.get(), .events = POLLIN, .revents = 0};
  if (poll(&listening, 1, kPatienceMs) != 1) return;
  const ScopedFd connection(accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC));
  size_t sent = 0;
  while (sent < send_.size()) {
    const ssize_t count =
        ::send(connection.get(), send_.data() + sent, send_.size() - sent, MSG_NOSIGNAL);
    if (count <= 0) return;
    sent += static_cast<size_t>(count);
  }
  // Only after something was sent: the guest's nc leaves when the other side has ended.
  if (!send_.empty()) shutdown(connection.get(), SHUT_WR);
  char buffer[65536];
  pollfd reading = {.fd = connection.get(), .events = POLLIN, .revents = 0};
  while (poll(&reading, 1, kPatienceMs) == 1) {
    const ssize_t count = read(connection.get(), buffer, sizeof(buffer));
    if (count <= 0) return;
    received_.append(buffer, static_cast<size_t>(count));
  }
}

}  // namespace touchstone
