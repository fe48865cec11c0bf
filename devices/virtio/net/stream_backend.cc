#include "devices/virtio/net/stream_backend.h"

#include <sys/socket.h>

#include <utility>

#include "base/log.h"
#include "base/status.h"
#include "base/unix_socket.h"

namespace touchstone {
namespace {

// As much as the host lets us have: a large frame should not have to wait for its second half.
constexpr int kSendBuffer = 4 << 20;

void EnlargeSendBuffer(int fd) {
  setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &kSendBuffer, sizeof(kSendBuffer));
}

bool IsUnixStream(int fd) {
  int type = 0;
  sockaddr_storage peer = {};
  socklen_t type_size = sizeof(type);
  socklen_t peer_size = sizeof(peer);
  return getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &type_size) == 0 && type == SOCK_STREAM &&
         getpeername(fd, reinterpret_cast<sockaddr*>(&peer), &peer_size) == 0 &&
         peer.ss_family == AF_UNIX;
}

}  // namespace

absl::Status CheckStreamSocket(int fd) {
  if (IsUnixStream(fd)) return absl::OkStatus();
  return absl::InvalidArgumentError("the descriptor is no connected unix stream socket");
}

absl::StatusOr<std::unique_ptr<StreamBackend>> StreamBackend::Connect(const std::string& path,
                                                                      EventLoop& loop) {
  ASSIGN_OR_RETURN(ScopedFd socket, ConnectUnix(path, SOCK_STREAM));
  return std::unique_ptr<StreamBackend>(
      new StreamBackend(std::move(socket), path, path, std::nullopt, loop));
}

absl::StatusOr<std::unique_ptr<StreamBackend>> StreamBackend::FromSocket(
    ScopedFd socket, std::string name, std::optional<uint16_t> mtu, EventLoop& loop,
    std::string path) {
  RETURN_IF_ERROR(CheckStreamSocket(socket.get()));
  return std::unique_ptr<StreamBackend>(
      new StreamBackend(std::move(socket), std::move(name), std::move(path), mtu, loop));
}

StreamBackend::StreamBackend(ScopedFd socket, std::string name, std::string path,
                             std::optional<uint16_t> mtu, EventLoop& loop)
    : name_(std::move(name)),
      path_(std::move(path)),
      mtu_(mtu),
      loop_(loop),
      port_(std::move(socket), [this](const absl::Status& reason) { Lost(reason); }) {
  EnlargeSendBuffer(port_.fd());
}

StreamBackend::~StreamBackend() { WatchReturn(nullptr); }

void StreamBackend::WatchReturn(const std::function<void()>& returned) {
  Watch timer;
  {
    MutexLock lock(mutex_);
    watched_ = returned != nullptr;
    timer = std::move(timer_);
  }
  timer.Reset();  // Waits for Retry.
  returned_ = returned;
}

void StreamBackend::Lost(const absl::Status& reason) {
  LOG(kWarning, "net", "%s: %s", name_, std::string(reason.message()));
  // Who does not keep to the protocol will not do so the next time.
  if (!path_.empty() && absl::IsUnavailable(reason)) RetryLater();
}

void StreamBackend::RetryLater() {
  MutexLock lock(mutex_);
  if (watched_) timer_ = loop_.After(kRetryInterval, [this] { Retry(); });
}

void StreamBackend::Retry() {
  absl::StatusOr<ScopedFd> socket = ConnectUnix(path_, SOCK_STREAM);
  if (!socket.ok()) return RetryLater();
  EnlargeSendBuffer(socket->get());
  port_.Replace(*std::move(socket));
  returned_();
  port_.ForgetPrevious();
}

}  // namespace touchstone
