#include "vmm/jail/connect_broker.h"

#include <algorithm>
#include <cstdint>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "base/log.h"
#include "base/mutex.h"
#include "base/status.h"
#include "base/unix_socket.h"

namespace touchstone {
namespace {

// A request is its type, as a byte, and its path; a reply the code of a status, as a byte, and its
// message, with the socket when the code is that of success.

std::vector<uint8_t> Bytes(uint8_t first, absl::string_view rest) {
  std::vector<uint8_t> bytes = {first};
  bytes.insert(bytes.end(), rest.begin(), rest.end());
  return bytes;
}

absl::string_view TextOf(const uint8_t* bytes, size_t size) {
  return {reinterpret_cast<const char*>(bytes) + 1, size - 1};
}

// Only as absl::StrCat would write it, so that each port has one name.
bool IsPort(absl::string_view text) {
  uint32_t port;
  return absl::SimpleAtoi(text, &port) && absl::StrCat(port) == text;
}

}  // namespace

class ConnectBroker::Service {
 public:
  Service(FdSocket socket, std::vector<ConnectTarget> targets)
      : socket_(std::move(socket)), targets_(std::move(targets)) {}

  static void Begin(const std::shared_ptr<Service>& self, EventLoop& loop) {
    MutexLock lock(self->mutex_);
    self->watch_ = loop.OnReadable(self->socket_.fd(), [self] { self->Serve(); });
  }
  // Whoever is first takes the watch; who comes second need not wait for the other.
  void End() {
    Watch taken;
    {
      MutexLock lock(mutex_);
      std::swap(taken, watch_);
    }
    // Waits for a callback on another thread, which may want the lock.
    taken.Reset();
  }

 private:
  void Serve();
  void GiveUp();
  [[nodiscard]] bool Declared(absl::string_view path, int type) const;

  const FdSocket socket_;
  const std::vector<ConnectTarget> targets_;
  Mutex mutex_;
  Watch watch_ ABSL_GUARDED_BY(mutex_);
};

ConnectBroker::ConnectBroker(FdSocket socket, std::vector<ConnectTarget> targets, EventLoop& loop)
    : service_(std::make_shared<Service>(std::move(socket), std::move(targets))) {
  Service::Begin(service_, loop);
}

ConnectBroker::~ConnectBroker() { service_->End(); }

bool ConnectBroker::Service::Declared(absl::string_view path, int type) const {
  return std::any_of(targets_.begin(), targets_.end(), [&](const ConnectTarget& target) {
    if (target.type != type) return false;
    if (!target.ports) return path == target.path;
    absl::string_view rest = path;
    return absl::ConsumePrefix(&rest, target.path) && absl::ConsumePrefix(&rest, "_") &&
           IsPort(rest);
  });
}

void ConnectBroker::Service::GiveUp() {
  End();
  socket_.Shutdown();
}

void ConnectBroker::Service::Serve() {
  uint8_t request[kMaxRequest];
  const absl::StatusOr<size_t> size = socket_.Receive(absl::MakeSpan(request));
  if (!size.ok() || *size < 2) return GiveUp();
  const absl::string_view path = TextOf(request, *size);
  const int type = request[0];
  if (!Declared(path, type)) {
    LOG(kError, "jail", "a device wants to connect to what it was not made for");
    return GiveUp();
  }
  const absl::StatusOr<ScopedFd> connected = ConnectUnix(path, type);
  const absl::Status sent =
      connected.ok() ? socket_.Send(Bytes(0, ""), {connected->get()})
                     : socket_.Send(Bytes(static_cast<uint8_t>(connected.status().code()),
                                          connected.status().message().substr(0, kMaxReply - 1)));
  if (!sent.ok()) GiveUp();
}

absl::StatusOr<ScopedFd> ConnectByBroker(const FdSocket& socket, absl::string_view path, int type) {
  RETURN_IF_ERROR(socket.Send(Bytes(static_cast<uint8_t>(type), path)));
  uint8_t reply[ConnectBroker::kMaxReply];
  std::vector<ScopedFd> fds;
  ASSIGN_OR_RETURN(const size_t size, socket.Receive(absl::MakeSpan(reply), &fds, 1));
  if (size == 0) return absl::InternalError("nobody connects for this device any more");
  if (reply[0] != 0) {
    return absl::Status(static_cast<absl::StatusCode>(reply[0]), TextOf(reply, size));
  }
  if (fds.size() != 1) return absl::InternalError("a connection came without its socket");
  return std::move(fds[0]);
}

}  // namespace touchstone
