#include "vmm/gdb/server.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <utility>

#include "absl/strings/str_cat.h"
#include "base/log.h"
#include "base/status.h"

namespace touchstone {
namespace {

// A debugger that does not take its answers is disconnected with so much of them waiting.
constexpr size_t kMaxUnsent = 1 << 20;

}  // namespace

absl::StatusOr<ScopedFd> ListenForGdb(uint16_t port) {
  ScopedFd fd(socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (!fd.valid()) return ErrnoStatus(errno, "socket");
  const int yes = 1;
  setsockopt(fd.get(), SOL_SOCKET, SO_REUSEADDR, &yes, sizeof(yes));
  sockaddr_in address = {};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (bind(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)) != 0 ||
      listen(fd.get(), 1) != 0) {
    return ErrnoStatus(errno, absl::StrCat("listen at 127.0.0.1:", port));
  }
  return fd;
}

GdbServer::GdbServer(int listener, EventLoop& loop, GdbTarget& target)
    : listener_(listener), loop_(loop), target_(target) {
  accepting_ = loop_.OnReadable(listener_, [this] { Accept(); });
}

void GdbServer::Accept() {
  ScopedFd client(accept4(listener_, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC));
  if (!client.valid()) return;
  if (client_.valid()) {
    LOG(kWarning, "gdb", "a second debugger is turned away");
    return;
  }
  // Unix sockets have no such option.
  const int yes = 1;
  setsockopt(client.get(), IPPROTO_TCP, TCP_NODELAY, &yes, sizeof(yes));
  client_ = std::move(client);
  target_.Halt([this] { Begin(); });
}

void GdbServer::Begin() {
  session_.emplace(target_, [this](absl::string_view bytes) { Send(bytes); });
  readable_ = loop_.OnReadable(client_.get(), [this] { Read(); });
}

void GdbServer::Read() {
  char buffer[4096];
  const ssize_t size = recv(client_.get(), buffer, sizeof(buffer), 0);
  if (size < 0 && (errno == EAGAIN || errno == EINTR)) return;
  if (size <= 0) return Disconnect();
  session_->Feed(absl::string_view(buffer, static_cast<size_t>(size)));
  if (session_->finished() || unsent_.size() > kMaxUnsent) Disconnect();
}

void GdbServer::Send(absl::string_view bytes) {
  unsent_.append(bytes.data(), bytes.size());
  Flush();
}

void GdbServer::Flush() {
  const ssize_t sent =
      send(client_.get(), unsent_.data(), unsent_.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
  if (sent > 0) unsent_.erase(0, static_cast<size_t>(sent));
  // A broken connection is seen by Read.
  if (unsent_.empty() || (sent < 0 && errno != EAGAIN && errno != EINTR)) {
    unsent_.clear();
    writable_.Reset();
  } else if (!writable_.active()) {
    writable_ = loop_.OnWritable(client_.get(), [this] { Flush(); });
  }
}

void GdbServer::Disconnect() {
  session_.reset();
  readable_.Reset();
  writable_.Reset();
  unsent_.clear();
  client_.Reset();
}

void GdbServer::Ended(uint8_t status) {
  if (session_.has_value()) session_->Ended(status);
}

}  // namespace touchstone
