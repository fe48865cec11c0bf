#include "devices/virtio/balloon/balloon_control.h"

#include <errno.h>
#include <sys/socket.h>

#include <cstring>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "base/log.h"
#include "base/status.h"
#include "base/unix_socket.h"
#include "devices/virtio/balloon/balloon_command.h"

namespace touchstone {
namespace {

std::string Quoted(absl::string_view text) {
  return absl::StrCat(
      "\"", absl::StrReplaceAll(text, {{"\\", "\\\\"}, {"\"", "\\\""}, {"\n", " "}}), "\"");
}

}  // namespace

absl::StatusOr<std::unique_ptr<BalloonControl>> BalloonControl::Connect(const std::string& path,
                                                                        EventLoop& loop,
                                                                        BalloonHandle& balloon) {
  ASSIGN_OR_RETURN(ScopedFd fd, ConnectUnix(path, SOCK_SEQPACKET));
  return Create(std::move(fd), loop, balloon);
}

absl::StatusOr<std::unique_ptr<BalloonControl>> BalloonControl::Create(ScopedFd socket,
                                                                       EventLoop& loop,
                                                                       BalloonHandle& balloon) {
  ASSIGN_OR_RETURN(EventFd changed, EventFd::Create());
  return std::unique_ptr<BalloonControl>(
      new BalloonControl(std::move(socket), std::move(changed), loop, balloon));
}

BalloonControl::BalloonControl(ScopedFd socket, EventFd changed, EventLoop& loop,
                               BalloonHandle& balloon)
    : socket_(std::move(socket)),
      changed_(std::move(changed)),
      loop_(loop),
      balloon_(balloon),
      self_(std::make_shared<BalloonControl*>(this)) {
  readable_ = loop_.OnReadable(socket_.get(), [this] { Readable(); });
  change_ = loop_.OnReadable(changed_.fd(), [this] { Changed(); });
  balloon_.OnChange([this] { changed_.Signal(); });
}

BalloonControl::~BalloonControl() {
  balloon_.OnChange(nullptr);
  *self_ = nullptr;
}

void BalloonControl::Readable() {
  char text[kMaxCommand];
  const ssize_t size = recv(socket_.get(), text, sizeof(text), MSG_DONTWAIT | MSG_TRUNC);
  if (size < 0 && (errno == EAGAIN || errno == EINTR)) return;
  if (size <= 0) {
    LOG(kInfo, "balloon", "the control channel has ended");
    return readable_.Reset();
  }
  if (static_cast<size_t>(size) > sizeof(text)) return Send(R"({"Err":"too long"})");
  Obey({text, static_cast<size_t>(size)});
}

void BalloonControl::Obey(absl::string_view text) {
  const absl::StatusOr<BalloonCommand> command = ParseBalloonCommand(text);
  if (!command.ok()) {
    return Send(absl::StrCat("{\"Err\":", Quoted(command.status().message()), "}"));
  }
  if (!balloon_.active()) return Send("\"NotReady\"");
  if (command->has_adjust()) return Adjust(command->adjust());
  SendStatistics(command->stats());
}

void BalloonControl::Adjust(const BalloonCommand::Adjust& adjust) {
  settling_.Reset();
  balloon_.SetTarget(adjust.num_bytes());
  if (!adjust.allow_failure()) return;
  settling_ = loop_.After(kSettleTime, [this] { Settle(); });
  if (balloon_.actual() == balloon_.target()) Settle();
}

void BalloonControl::SendStatistics(const BalloonCommand::Stats& request) {
  const std::string id = request.has_id() ? absl::StrCat(",\"id\":", request.id()) : "";
  balloon_.RequestStatistics([self = self_, id](absl::optional<BalloonStatistics> statistics) {
    if (*self == nullptr) return;
    (*self)->Send(
        absl::StrCat("{\"Stats\":{\"stats\":", statistics.value_or(BalloonStatistics()).ToJson(),
                     ",\"balloon_actual\":", (*self)->balloon_.actual(), id, "}}"));
  });
}

void BalloonControl::Changed() {
  changed_.Drain();
  const bool active = balloon_.active();
  if (active && !was_active_) Send("\"Ready\"");
  was_active_ = active;
  if (!settling_.active()) return;
  settling_ = loop_.After(kSettleTime, [this] { Settle(); });
  if (balloon_.actual() == balloon_.target()) Settle();
}

void BalloonControl::Settle() {
  settling_.Reset();
  Send(absl::StrCat("{\"Adjusted\":{\"num_bytes\":", balloon_.actual(), "}}"));
}

void BalloonControl::Send(absl::string_view text) {
  if (send(socket_.get(), text.data(), text.size(), MSG_DONTWAIT | MSG_NOSIGNAL) < 0) {
    LOG(kWarning, "balloon", "an answer on the control channel is dropped: %s", strerror(errno));
  }
}

}  // namespace touchstone
