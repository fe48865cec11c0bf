#include "vmm/control/control_server.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/types/span.h"
#include "base/log.h"
#include "base/scoped_fd.h"
#include "vmm/control/control_message.h"

namespace touchstone {

ControlServer::ControlServer(UnixListener socket, EventLoop& loop, Handler handler, uid_t owner)
    : socket_(std::move(socket)),
      loop_(loop),
      handler_(std::move(handler)),
      owner_(owner),
      self_(std::make_shared<ControlServer*>(this)) {
  Listen();
}

ControlServer::ControlServer(UnixListener socket, EventLoop& loop, Handler handler)
    : ControlServer(std::move(socket), loop, std::move(handler), geteuid()) {}

ControlServer::~ControlServer() { *self_ = nullptr; }

void ControlServer::Listen() {
  retry_.Reset();
  accepting_ = loop_.OnReadable(socket_.fd(), [this] { Accept(); });
}

void ControlServer::Accept() {
  ScopedFd fd(accept4(socket_.fd(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC));
  if (!fd.valid()) {
    if (errno == EAGAIN || errno == EINTR || errno == ECONNABORTED) return;
    LOG(kWarning, "control", "accept on %s: %s", socket_.path(), strerror(errno));
    accepting_.Reset();
    retry_ = loop_.After(kRetry, [this] { Listen(); });
    return;
  }
  ucred peer = {};
  socklen_t size = sizeof(peer);
  if (getsockopt(fd.get(), SOL_SOCKET, SO_PEERCRED, &peer, &size) != 0 || peer.uid != owner_) {
    LOG(kWarning, "control", "user %d, process %d: only the owner may give commands", peer.uid,
        peer.pid);
    return;
  }
  if (clients_.size() >= kMaxClients && !MakeRoom()) return;
  const uint64_t id = next_id_++;
  clients_.emplace(id, Client{.socket = FdSocket(std::move(fd))});
  Await(id);
}

bool ControlServer::MakeRoom() {
  LOG(kWarning, "control", "more than %d clients", kMaxClients);
  for (auto client = clients_.begin(); client != clients_.end(); ++client) {
    if (!client->second.readable.active()) continue;
    clients_.erase(client);
    return true;
  }
  return false;
}

void ControlServer::Await(uint64_t id) {
  Client& client = clients_.at(id);
  client.readable = loop_.OnReadable(client.socket.fd(), [this, id] { Read(id); });
}

void ControlServer::Read(uint64_t id) {
  Client& client = clients_.at(id);
  std::array<uint8_t, kMaxControlRequest> bytes;
  std::vector<ScopedFd> files;
  const absl::StatusOr<size_t> size =
      client.socket.Receive(absl::MakeSpan(bytes), &files, kMaxControlFiles);
  if (!size.ok()) {
    if (absl::IsUnavailable(size.status())) return;
    if (absl::IsDataLoss(size.status())) return Refuse(id, EMSGSIZE, size.status().message());
  }
  if (!size.ok() || *size == 0) {
    clients_.erase(id);
    return;
  }
  ControlRequest request;
  if (!request.ParseFromArray(bytes.data(), static_cast<int>(*size))) {
    return Refuse(id, EBADMSG, "not a request");
  }
  // Until the answer.
  client.readable.Reset();
  handler_(request,
           {.files = std::move(files),
            .waits = [self = self_, id] { return *self != nullptr && (*self)->IsConnected(id); }},
           [self = self_, id](const ControlResponse& response) {
             if (*self != nullptr) (*self)->Answer(id, response);
           });
}

bool ControlServer::IsConnected(uint64_t id) const {
  const auto client = clients_.find(id);
  if (client == clients_.end()) return false;
  pollfd state = {.fd = client->second.socket.fd(), .events = POLLRDHUP, .revents = 0};
  return poll(&state, 1, 0) == 0;
}

void ControlServer::Answer(uint64_t id, const ControlResponse& response) {
  const auto client = clients_.find(id);
  if (client == clients_.end()) return;
  const std::string bytes = response.SerializeAsString();
  const absl::Status sent =
      client->second.socket.Send({reinterpret_cast<const uint8_t*>(bytes.data()), bytes.size()});
  if (response.more() && (sent.ok() || absl::IsUnavailable(sent))) return;
  if (!sent.ok()) {
    LOG(kWarning, "control", "a client does not take its answer: %s", sent.message());
    clients_.erase(client);
    return;
  }
  if (!client->second.readable.active()) Await(id);
}

void ControlServer::Refuse(uint64_t id, int error, absl::string_view why) {
  Client& client = clients_.at(id);
  if (!std::exchange(client.reported, true)) {
    LOG(kWarning, "control", "a client sends what is no request: %s", why);
  }
  Answer(id, ControlError(error, std::string(why)));
}

}  // namespace touchstone
