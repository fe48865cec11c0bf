#include "integration/virtio/balloon_channel.h"

#include <poll.h>
#include <stdlib.h>
#include <unistd.h>

#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"

namespace touchstone {

BalloonChannel::BalloonChannel()
    : path_(absl::StrCat(mkdtemp(folder_), "/s")),
      listener_(FdListener::Listen(path_, FdSocket::Kind::kSeqPacket).value()) {}

BalloonChannel::~BalloonChannel() {
  unlink(path_.c_str());
  rmdir(folder_);
}

std::string BalloonChannel::option() const { return absl::StrCat("--balloon-control=", path_); }

std::string BalloonChannel::Next() {
  if (!socket_.has_value()) {
    pollfd waiting = {.fd = listener_.fd(), .events = POLLIN, .revents = 0};
    if (poll(&waiting, 1, static_cast<int>(absl::ToInt64Milliseconds(kPatience))) != 1) {
      return "nobody connects";
    }
    absl::StatusOr<FdSocket> socket = listener_.Accept();
    if (!socket.ok()) return std::string(socket.status().message());
    socket_.emplace(*std::move(socket));
    if (!socket_->SetTimeout(kPatience).ok()) return "no time limit";
  }
  std::string text(4096, '\0');
  const absl::StatusOr<size_t> size =
      socket_->Receive({reinterpret_cast<uint8_t*>(text.data()), text.size()});
  if (!size.ok()) return std::string(size.status().message());
  text.resize(*size);
  return text;
}

std::string BalloonChannel::Ask(absl::string_view command) {
  if (!socket_.has_value()) return "nobody has connected";
  const absl::Status sent =
      socket_->Send({reinterpret_cast<const uint8_t*>(command.data()), command.size()});
  return sent.ok() ? Next() : std::string(sent.message());
}

int64_t BalloonChannel::Adjust(int64_t bytes) {
  const std::string command =
      absl::StrCat("{\"Adjust\":{\"num_bytes\":", bytes, ",\"allow_failure\":true}}");
  // A guest on a busy machine pauses for longer than the machine waits.
  const absl::Time deadline = absl::Now() + kPatience;
  int64_t size = NumberIn(Ask(command), "num_bytes");
  while (size >= 0 && size != bytes && absl::Now() < deadline) {
    size = NumberIn(Ask(command), "num_bytes");
  }
  return size;
}

void BalloonChannel::Aim(int64_t bytes) {
  const std::string command =
      absl::StrCat("{\"Adjust\":{\"num_bytes\":", bytes, ",\"allow_failure\":false}}");
  if (!socket_.has_value()) return;
  socket_->Send({reinterpret_cast<const uint8_t*>(command.data()), command.size()}).IgnoreError();
}

int64_t BalloonChannel::Statistic(absl::string_view name) {
  return NumberIn(Ask("\"Stats\""), name);
}

int64_t NumberIn(absl::string_view json, absl::string_view name) {
  const std::string key = absl::StrCat("\"", name, "\":");
  const size_t at = json.find(key);
  if (at == absl::string_view::npos) return -1;
  const std::string rest(json.substr(at + key.size()));
  return rest.empty() || rest[0] < '0' || rest[0] > '9' ? -1 : strtoll(rest.c_str(), nullptr, 10);
}

}  // namespace touchstone
