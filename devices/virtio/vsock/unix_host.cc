#include "devices/virtio/vsock/unix_host.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <cstring>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/log.h"
#include "base/status.h"
#include "base/unix_socket.h"
#include "devices/virtio/vsock/vsock_unix_stream.h"

namespace touchstone {
namespace {

constexpr int kBacklog = 1024;
constexpr size_t kMaxSuffix = sizeof("_4294967295") - 1;

}  // namespace

absl::StatusOr<FdListener> UnixHost::Listen(absl::string_view path) {
  constexpr size_t kMaxPath = sizeof(sockaddr_un::sun_path) - 1 - kMaxSuffix;
  if (path.empty() || path.size() > kMaxPath) {
    return absl::InvalidArgumentError(
        absl::StrCat("'", path, "' is no path for the sockets of a guest: 1 to ", kMaxPath,
                     " bytes are accepted, since _PORT is added"));
  }
  ASSIGN_OR_RETURN(FdListener listener, FdListener::Listen(path, FdSocket::Kind::kStream));
  if (listen(listener.fd(), kBacklog) != 0 || fcntl(listener.fd(), F_SETFL, O_NONBLOCK) != 0) {
    return ErrnoStatus(errno, absl::StrCat("listen at ", path));
  }
  return listener;
}

UnixHost::UnixHost(EventLoop& loop, FdListener listener, absl::string_view path)
    : loop_(loop), listener_(std::move(listener)), path_(path) {}

// --- Guest to host.

absl::StatusOr<std::unique_ptr<VsockStream>> UnixHost::Connect(uint32_t port) {
  ASSIGN_OR_RETURN(ScopedFd fd, ConnectUnix(absl::StrCat(path_, "_", port), SOCK_STREAM));
  return std::make_unique<VsockUnixStream>(loop_, std::move(fd), VsockUnixStream::Opener::kGuest);
}

// --- Host to guest.

void UnixHost::SetAccepting(bool accepting) {
  accepting_ = accepting;
  if (!accepting) return;  // Watches end when they next fire.
  WatchListener();
  for (const auto& [id, caller] : callers_) {
    if (!caller->readable.active()) WatchCaller(id, *caller);
  }
}

void UnixHost::WatchCaller(uint64_t id, Caller& caller) {
  caller.readable = loop_.OnReadable(caller.socket.get(), [this, id = id] { Read(id); });
}

void UnixHost::WatchListener() {
  if (!accepting_ || callers_.size() >= kMaxCallers || listening_.active() || pause_.active()) {
    return;
  }
  listening_ = loop_.OnReadable(listener_.fd(), [this] { AcceptAll(); });
}

void UnixHost::AcceptAll() {
  while (accepting_ && callers_.size() < kMaxCallers) {
    ScopedFd socket(accept4(listener_.fd(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC));
    if (!socket.valid()) {
      if (errno == EAGAIN) return;
      if (errno == EINTR || errno == ECONNABORTED) continue;
      LOG(kWarning, "vsock", "accept at %s: %s", path_, strerror(errno));
      listening_.Reset();
      pause_ = loop_.After(kPause, [this] {
        pause_.Reset();
        WatchListener();
      });
      return;
    }
    const uint64_t id = next_caller_++;
    auto caller = std::make_unique<Caller>(Caller{.socket = std::move(socket)});
    WatchCaller(id, *caller);
    caller->timeout = loop_.After(kLineTimeout, [this, id] {
      callers_.erase(id);
      WatchListener();
    });
    callers_.emplace(id, std::move(caller));
  }
  listening_.Reset();
}

void UnixHost::Read(uint64_t id) {
  const auto found = callers_.find(id);
  if (found == callers_.end()) return;
  Caller& caller = *found->second;
  if (!accepting_) {
    caller.readable.Reset();
    return;
  }
  char bytes[ConnectLine::kMaxSize];
  // Only what belongs to the line is taken out of the socket: the rest is the guest's.
  const ssize_t size = recv(caller.socket.get(), bytes, sizeof(bytes), MSG_PEEK | MSG_DONTWAIT);
  if (size < 0 && (errno == EAGAIN || errno == EINTR)) return;
  ConnectLine::State state = ConnectLine::State::kInvalid;
  if (size > 0) {
    size_t taken = 0;
    state = caller.line.Take({bytes, static_cast<size_t>(size)}, taken);
    if (recv(caller.socket.get(), bytes, taken, MSG_DONTWAIT) != static_cast<ssize_t>(taken)) {
      state = ConnectLine::State::kInvalid;
    }
  }
  if (state == ConnectLine::State::kMore) return;
  const std::unique_ptr<Caller> done = std::move(found->second);
  callers_.erase(found);
  if (state == ConnectLine::State::kPort) {
    done->readable.Reset();
    acceptor_->HostConnects(done->line.port(),
                            std::make_unique<VsockUnixStream>(loop_, std::move(done->socket),
                                                              VsockUnixStream::Opener::kHost));
  } else {
    LOG(kWarning, "vsock", "a program connected to %s and did not say CONNECT PORT", path_);
  }
  WatchListener();
}

}  // namespace touchstone
