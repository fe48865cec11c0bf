#include "bench/peers/net_host.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "base/status.h"
#include "bench/peers/net_load.h"

namespace touchstone {
namespace {

absl::StatusOr<sockaddr_in> Address(const std::string& ip, uint16_t port) {
  sockaddr_in address = {};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  if (inet_pton(AF_INET, ip.c_str(), &address.sin_addr) == 1) return address;
  return absl::InvalidArgumentError(absl::StrCat(ip, " is no IPv4 address"));
}

absl::Status Request(int fd, unsigned long request, const char* name, void* argument) {
  if (ioctl(fd, request, argument) == 0) return absl::OkStatus();
  return ErrnoStatus(errno, name);
}

absl::StatusOr<ScopedFd> Bound(int type, const std::string& ip) {
  ASSIGN_OR_RETURN(const sockaddr_in address, Address(ip, kNetLoadPort));
  ScopedFd fd(socket(AF_INET, type | SOCK_CLOEXEC, 0));
  if (!fd.valid()) return ErrnoStatus(errno, "socket");
  const int yes = 1;
  setsockopt(fd.get(), SOL_SOCKET, SO_REUSEADDR, &yes, sizeof(yes));
  if (bind(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)) != 0) {
    return ErrnoStatus(errno, absl::StrCat("bind to ", ip));
  }
  return fd;
}

}  // namespace

absl::Status MakeTap(const std::string& name, const std::string& address) {
  ASSIGN_OR_RETURN(const ScopedFd tun, OpenFile("/dev/net/tun", O_RDWR));
  ifreq request = {};
  name.copy(request.ifr_name, sizeof(request.ifr_name) - 1);
  request.ifr_flags = IFF_TAP | IFF_NO_PI | IFF_VNET_HDR;
  RETURN_IF_ERROR(Request(tun.get(), TUNSETIFF, "TUNSETIFF", &request));
  RETURN_IF_ERROR(
      Request(tun.get(), TUNSETPERSIST, "TUNSETPERSIST", reinterpret_cast<void*>(uintptr_t{1})));
  const ScopedFd socket(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  if (!socket.valid()) return ErrnoStatus(errno, "socket");
  ASSIGN_OR_RETURN(sockaddr_in value, Address(address, 0));
  memcpy(&request.ifr_addr, &value, sizeof(value));
  RETURN_IF_ERROR(Request(socket.get(), SIOCSIFADDR, "SIOCSIFADDR", &request));
  ASSIGN_OR_RETURN(value, Address("255.255.255.0", 0));
  memcpy(&request.ifr_netmask, &value, sizeof(value));
  RETURN_IF_ERROR(Request(socket.get(), SIOCSIFNETMASK, "SIOCSIFNETMASK", &request));
  request.ifr_flags = IFF_UP;
  return Request(socket.get(), SIOCSIFFLAGS, "SIOCSIFFLAGS", &request);
}

absl::StatusOr<std::unique_ptr<NetLoadServer>> NetLoadServer::Start(const std::string& host,
                                                                    const std::string& guest) {
  ASSIGN_OR_RETURN(ScopedFd listener, Bound(SOCK_STREAM, host));
  ASSIGN_OR_RETURN(ScopedFd datagrams, Bound(SOCK_DGRAM, host));
  ASSIGN_OR_RETURN(const sockaddr_in peer, Address(guest, kNetLoadPort));
  if (listen(listener.get(), 1) != 0) return ErrnoStatus(errno, "listen");
  if (connect(datagrams.get(), reinterpret_cast<const sockaddr*>(&peer), sizeof(peer)) != 0) {
    return ErrnoStatus(errno, "connect");
  }
  // A guest that stops in the middle holds up the next one no longer than that.
  const timeval patience = {.tv_sec = 5, .tv_usec = 0};
  setsockopt(datagrams.get(), SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
  std::unique_ptr<NetLoadServer> server(
      new NetLoadServer(std::move(listener), std::move(datagrams)));
  server->thread_ = std::thread([self = server.get()] { self->Serve(); });
  return server;
}

NetLoadServer::~NetLoadServer() {
  shutdown(listener_.get(), SHUT_RDWR);  // Ends accept.
  thread_.join();
}

void NetLoadServer::Serve() {
  while (true) {
    const ScopedFd tcp(accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC));
    if (!tcp.valid()) {
      if (errno == EINTR || errno == ECONNABORTED) continue;
      return;
    }
    const timeval patience = {.tv_sec = 5, .tv_usec = 0};
    setsockopt(tcp.get(), SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
    setsockopt(tcp.get(), SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
    NetRequest request;
    if (recv(tcp.get(), &request, sizeof(request), MSG_WAITALL) == sizeof(request)) {
      RunHostEnd(request, tcp.get(), datagrams_.get());
    }
  }
}

}  // namespace touchstone
