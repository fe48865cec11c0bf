#include "devices/platform/serial/console_hub.h"

#include <errno.h>
#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "devices/platform/serial/byte_sink.h"

namespace touchstone {
namespace {

// A client's socket. That it hangs up is no error.
class ClientSink final : public ByteSink {
 public:
  explicit ClientSink(ScopedFd socket) : socket_(std::move(socket)) {}

  Result Write(absl::Span<const uint8_t> bytes) override {
    const ssize_t count =
        send(socket_.get(), bytes.data(), bytes.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
    if (count > 0) return {static_cast<size_t>(count), State::kOpen};
    const bool full = count == 0 || errno == EAGAIN || errno == EINTR;
    return {0, full ? State::kFull : State::kGone};
  }
  [[nodiscard]] int fd() const override { return socket_.get(); }

 private:
  const ScopedFd socket_;
};

int OptionOf(int fd, int option) {
  int value = -1;
  socklen_t size = sizeof(value);
  return getsockopt(fd, SOL_SOCKET, option, &value, &size) == 0 ? value : -1;
}

bool HungUp(int fd) {
  pollfd state = {.fd = fd, .events = POLLRDHUP, .revents = 0};
  return poll(&state, 1, 0) == 1;
}

}  // namespace

ConsoleHub::ConsoleHub(EventLoop& loop, Clock& clock, SerialOutput& output, SerialInput& input,
                       std::string name)
    : loop_(loop),
      clock_(clock),
      name_(std::move(name)),
      output_(*this, output),
      input_(*this, input) {}

ConsoleHub::~ConsoleHub() {
  std::map<uint64_t, Client> clients;
  MutexLock lock(mutex_);
  clients.swap(clients_);
}

absl::Status ConsoleHub::Attach(ScopedFd socket) {
  // It comes from somebody else, and shall not be something that waits.
  if (OptionOf(socket.get(), SO_DOMAIN) != AF_UNIX ||
      OptionOf(socket.get(), SO_TYPE) != SOCK_STREAM) {
    return absl::InvalidArgumentError("no stream socket came with the request");
  }
  std::vector<uint64_t> gone;
  {
    MutexLock lock(mutex_);
    for (const auto& [id, client] : clients_) {
      if (HungUp(client.fd)) gone.push_back(id);
    }
  }
  for (const uint64_t id : gone) Remove(id);
  MutexLock lock(mutex_);
  if (clients_.size() >= kMaxClients) {
    return absl::ResourceExhaustedError(
        absl::StrCat(name_, " has ", kMaxClients, " clients already"));
  }
  const int fd = socket.get();
  const uint64_t id = next_id_++;
  Client& client = clients_[id];
  client.fd = fd;
  client.queue =
      std::make_unique<OutputQueue>(loop_, clock_, std::make_unique<ClientSink>(std::move(socket)),
                                    absl::StrCat("a client of ", name_));
  if (typed_.size() < kCapacity) Listen(id, client);
  // Relaxed: what the guest writes at this moment may be told or not.
  attached_.store(true, std::memory_order_relaxed);
  return absl::OkStatus();
}

size_t ConsoleHub::clients() const {
  MutexLock lock(mutex_);
  return clients_.size();
}

void ConsoleHub::Listen(uint64_t id, Client& client) {
  if (!client.readable.active()) {
    client.readable = loop_.OnReadable(client.fd, [this, id] { Typed(id); });
  }
}

// Only this thread adds what is typed and removes clients: neither changes while it reads.
void ConsoleHub::Typed(uint64_t id) {
  int fd = -1;
  size_t room = 0;
  {
    MutexLock lock(mutex_);
    const auto found = clients_.find(id);
    if (found == clients_.end()) return;
    room = kCapacity - std::min(typed_.size(), kCapacity);
    if (room == 0) return found->second.readable.Reset();  // Another client was faster.
    fd = found->second.fd;
  }
  std::array<uint8_t, kCapacity> bytes;
  const ssize_t count = recv(fd, bytes.data(), room, MSG_DONTWAIT);
  if (count < 0 && (errno == EAGAIN || errno == EINTR)) return;
  if (count <= 0) return Remove(id);
  std::shared_ptr<EventLoop::Callback> on_bytes;
  {
    MutexLock lock(mutex_);
    typed_.insert(typed_.end(), bytes.begin(), bytes.begin() + count);
    if (typed_.size() >= kCapacity) clients_.at(id).readable.Reset();
    on_bytes = on_bytes_;
  }
  if (on_bytes != nullptr) (*on_bytes)();
}

// The queue's last words are not for a thread of the guest to wait for.
void ConsoleHub::Remove(uint64_t id) {
  Client client;
  MutexLock lock(mutex_);
  const auto found = clients_.find(id);
  if (found == clients_.end()) return;
  client = std::move(found->second);
  clients_.erase(found);
  if (clients_.empty()) attached_.store(false, std::memory_order_relaxed);
}

void ConsoleHub::Tell(absl::Span<const uint8_t> bytes) {
  MutexLock lock(mutex_);
  for (auto& [id, client] : clients_) client.queue->Write(bytes);
}

bool ConsoleHub::Output::Write(absl::Span<const uint8_t> bytes) {
  if (hub_.attached_.load(std::memory_order_relaxed)) hub_.Tell(bytes);
  return own_.Write(bytes);
}

void ConsoleHub::Input::OnBytes(EventLoop::Callback callback) {
  std::shared_ptr<EventLoop::Callback> shared;
  if (callback != nullptr) shared = std::make_shared<EventLoop::Callback>(std::move(callback));
  {
    MutexLock lock(hub_.mutex_);
    hub_.on_bytes_ = shared;
  }
  if (shared == nullptr) return own_.OnBytes(nullptr);
  own_.OnBytes([shared] { (*shared)(); });
}

size_t ConsoleHub::Input::Read(absl::Span<uint8_t> bytes) {
  const auto take = [&bytes](std::deque<uint8_t>& from) {
    const size_t count = std::min(bytes.size(), from.size());
    const auto end = from.begin() + static_cast<ptrdiff_t>(count);
    std::copy(from.begin(), end, bytes.begin());
    from.erase(from.begin(), end);
    bytes.remove_prefix(count);
  };
  const size_t wanted = bytes.size();
  MutexLock lock(hub_.mutex_);
  take(hub_.unread_);
  bytes.remove_prefix(own_.Read(bytes));
  take(hub_.typed_);
  if (hub_.typed_.size() <= kCapacity / 2) {
    for (auto& [id, client] : hub_.clients_) hub_.Listen(id, client);
  }
  return wanted - bytes.size();
}

void ConsoleHub::Input::Unread(absl::Span<const uint8_t> bytes) {
  MutexLock lock(hub_.mutex_);
  hub_.unread_.insert(hub_.unread_.begin(), bytes.begin(), bytes.end());
}

}  // namespace touchstone
