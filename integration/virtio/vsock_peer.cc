#include "integration/virtio/vsock_peer.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/vm_sockets.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <map>
#include <memory>

namespace touchstone {
namespace {

constexpr size_t kChunk = 64 * 1024;

sockaddr_vm AddressOf(uint32_t cid, uint32_t port) {
  sockaddr_vm address{};
  address.svm_family = AF_VSOCK;
  address.svm_cid = cid;
  address.svm_port = port;
  return address;
}

// Closes a socket that could not be used, and keeps errno.
int Failed(int fd) {
  const int error = errno;
  close(fd);
  errno = error;
  return -1;
}

bool Moved(ssize_t count) { return count >= 0 || errno == EAGAIN || errno == EINTR; }

// One connection that echoes.
struct Echo {
  std::string held;
  bool ended = false;

  [[nodiscard]] short Wanted() const {
    return static_cast<short>((!ended && held.size() < kChunk ? POLLIN : 0) |
                              (!held.empty() ? POLLOUT : 0));
  }
  // False when it is over.
  bool Turn(int fd) {
    char bytes[kChunk];
    if (!ended && held.size() < kChunk) {
      const ssize_t count = recv(fd, bytes, kChunk - held.size(), MSG_DONTWAIT);
      if (!Moved(count)) return false;
      if (count > 0) held.append(bytes, static_cast<size_t>(count));
      ended = count == 0;
    }
    if (!held.empty()) {
      const ssize_t count = send(fd, held.data(), held.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
      if (!Moved(count)) return false;
      if (count > 0) held.erase(0, static_cast<size_t>(count));
    }
    return !ended || !held.empty();
  }
};

// One connection that checks.
struct Check {
  int fd = -1;
  uint32_t seed = 0;
  size_t sent = 0;
  size_t received = 0;
  bool over = false;

  // The byte at a position; repeats after a prime, so that no block looks like another.
  [[nodiscard]] char Byte(size_t at) const {
    return static_cast<char>((at % 65521 + seed * 131) * 2654435761U >> 13);
  }

  [[nodiscard]] short Wanted(size_t bytes) const {
    return static_cast<short>(POLLIN | (sent < bytes ? POLLOUT : 0));
  }
  // What is wrong, if something is.
  std::string Turn(size_t bytes) {
    char chunk[kChunk];
    if (sent < bytes) {
      const size_t size = std::min(kChunk, bytes - sent);
      for (size_t i = 0; i < size; ++i) chunk[i] = Byte(sent + i);
      const ssize_t count = send(fd, chunk, size, MSG_DONTWAIT | MSG_NOSIGNAL);
      if (!Moved(count)) return std::string("send: ") + strerror(errno);
      if (count > 0) sent += static_cast<size_t>(count);
      if (sent == bytes && shutdown(fd, SHUT_WR) != 0) {
        return std::string("shutdown: ") + strerror(errno);
      }
    }
    const ssize_t count = recv(fd, chunk, kChunk, MSG_DONTWAIT);
    if (!Moved(count)) return std::string("receive: ") + strerror(errno);
    for (ssize_t i = 0; i < count; ++i) {
      if (chunk[i] != Byte(received++)) return "wrong byte at " + std::to_string(received - 1);
    }
    if (received > bytes) return "more came back than was sent";
    over = count == 0;
    if (over && received < bytes) return "ended after " + std::to_string(received) + " bytes";
    return "";
  }
};

}  // namespace

int ListenVsock(uint32_t port) {
  const int fd = socket(AF_VSOCK, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd < 0) return -1;
  const sockaddr_vm address = AddressOf(VMADDR_CID_ANY, port);
  if (bind(fd, reinterpret_cast<const sockaddr*>(&address), sizeof(address)) != 0 ||
      listen(fd, 4096) != 0) {
    return Failed(fd);
  }
  return fd;
}

int ConnectVsock(uint32_t cid, uint32_t port) {
  const int fd = socket(AF_VSOCK, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd < 0) return -1;
  // The default of two seconds is little for a guest that is emulated twice.
  const timeval timeout = {.tv_sec = 30, .tv_usec = 0};
  setsockopt(fd, AF_VSOCK, SO_VM_SOCKETS_CONNECT_TIMEOUT, &timeout, sizeof(timeout));
  const sockaddr_vm address = AddressOf(cid, port);
  if (connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof(address)) != 0) {
    return Failed(fd);
  }
  return fd;
}

void EchoUntil(int listener, int stop, int connections) {
  std::map<int, std::unique_ptr<Echo>> echoes;
  int ended = 0;
  while (connections == 0 || ended < connections) {
    std::vector<pollfd> polled = {{.fd = stop, .events = POLLIN, .revents = 0},
                                  {.fd = listener, .events = POLLIN, .revents = 0}};
    for (const auto& [fd, echo] : echoes) {
      polled.push_back({.fd = fd, .events = echo->Wanted(), .revents = 0});
    }
    if (poll(polled.data(), polled.size(), -1) < 0) continue;
    if (polled[0].revents != 0) break;
    if (polled[1].revents != 0) {
      const int fd = accept4(listener, nullptr, nullptr, SOCK_CLOEXEC);
      if (fd >= 0) echoes.emplace(fd, std::make_unique<Echo>());
    }
    for (size_t i = 2; i < polled.size(); ++i) {
      const int fd = polled[i].fd;
      if (polled[i].revents == 0 || echoes.at(fd)->Turn(fd)) continue;
      close(fd);
      echoes.erase(fd);
      ++ended;
    }
  }
  for (const auto& [fd, echo] : echoes) close(fd);
}

std::string CheckEcho(const std::vector<int>& sockets, size_t bytes, int seconds) {
  std::vector<Check> checks;
  for (const int fd : sockets) {
    checks.push_back({.fd = fd, .seed = static_cast<uint32_t>(checks.size())});
  }
  std::string wrong;
  size_t over = 0;
  while (wrong.empty() && over < checks.size()) {
    std::vector<pollfd> polled;
    for (const Check& check : checks) {
      polled.push_back(
          {.fd = check.over ? -1 : check.fd, .events = check.Wanted(bytes), .revents = 0});
    }
    if (poll(polled.data(), polled.size(), seconds * 1000) == 0) wrong = "nothing moves";
    for (size_t i = 0; i < checks.size() && wrong.empty(); ++i) {
      if (polled[i].revents == 0) continue;
      wrong = checks[i].Turn(bytes);
      if (!wrong.empty()) wrong = "connection " + std::to_string(i) + ": " + wrong;
      over += checks[i].over ? 1 : 0;
    }
  }
  for (const int fd : sockets) close(fd);
  return wrong;
}

}  // namespace touchstone
