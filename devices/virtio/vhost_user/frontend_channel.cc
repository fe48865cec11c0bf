#include "devices/virtio/vhost_user/frontend_channel.h"

#include <errno.h>
#include <poll.h>

#include <algorithm>
#include <chrono>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/status.h"

namespace touchstone {
namespace {

class PollWaiter final : public VhostUserWaiter {
 public:
  explicit PollWaiter(absl::Duration patience)
      : patience_(absl::ToChronoMilliseconds(patience)), deadline_(Time::now() + patience_) {}

  void Begin() override { deadline_ = Time::now() + patience_; }

  bool Wait(int fd, bool writable) override {
    using std::chrono::milliseconds;
    while (true) {
      const auto left = std::chrono::duration_cast<milliseconds>(deadline_ - Time::now());
      pollfd polled = {
          .fd = fd, .events = static_cast<short>(writable ? POLLOUT : POLLIN), .revents = 0};
      const int ready =
          poll(&polled, 1, static_cast<int>(std::clamp<int64_t>(left.count(), 0, 1 << 30)));
      if (ready > 0) return true;
      if (ready == 0 && left.count() <= 0) return false;
      if (ready < 0 && errno != EINTR) return false;
    }
  }

 private:
  using Time = std::chrono::steady_clock;

  const std::chrono::milliseconds patience_;
  Time::time_point deadline_;
};

const char* NameOf(VhostUserRequest request) {
  return FindVhostUserRow(VhostUserFrontendTable(), static_cast<uint32_t>(request))->name;
}

}  // namespace

std::unique_ptr<VhostUserWaiter> MakeVhostUserWaiter(absl::Duration patience) {
  return std::make_unique<PollWaiter>(patience);
}

VhostUserFrontendChannel::VhostUserFrontendChannel(ScopedFd socket,
                                                   std::shared_ptr<VhostUserWaiter> waiter)
    : connection_(std::move(socket), VhostUserFrontendTable()), waiter_(std::move(waiter)) {}

absl::Status VhostUserFrontendChannel::Die(VhostUserRequest request, const absl::Status& why) {
  connection_.Shutdown();
  dead_ = absl::FailedPreconditionError(
      absl::StrCat("vhost-user ", NameOf(request), ": ", why.message()));
  return dead_;
}

absl::Status VhostUserFrontendChannel::SendMessage(VhostUserRequest request, uint32_t flags,
                                                   absl::Span<const uint8_t> payload,
                                                   absl::Span<const int> fds) {
  MutexLock lock(send_mutex_);
  return connection_.Send(static_cast<uint32_t>(request), flags, payload, fds);
}

void VhostUserFrontendChannel::Post(VhostUserRequest request, absl::Span<const uint8_t> payload,
                                    absl::Span<const int> fds) {
  if (!SendMessage(request, 0, payload, fds).ok()) Shutdown();
}

absl::Status VhostUserFrontendChannel::SendRequest(VhostUserRequest request, uint32_t flags,
                                                   absl::Span<const uint8_t> payload,
                                                   absl::Span<const int> fds) {
  RETURN_IF_ERROR(dead_);
  waiter_->Begin();
  while (true) {
    const absl::Status status = SendMessage(request, flags, payload, fds);
    if (status.ok()) return status;
    if (!absl::IsUnavailable(status)) return Die(request, status);
    if (!waiter_->Wait(connection_.fd(), true)) {
      return Die(request, absl::UnavailableError("the back end takes no requests"));
    }
  }
}

absl::StatusOr<VhostUserMessage> VhostUserFrontendChannel::ReceiveReply(VhostUserRequest request) {
  while (true) {
    absl::StatusOr<std::optional<VhostUserMessage>> message = connection_.Receive();
    if (!message.ok()) return Die(request, message.status());
    if (message->has_value()) {
      if ((*message)->reply() && (*message)->request == static_cast<uint32_t>(request)) {
        return **std::move(message);
      }
      return Die(request, absl::InvalidArgumentError("the back end answers something else"));
    }
    if (!waiter_->Wait(connection_.fd(), false)) {
      return Die(request, absl::UnavailableError("the back end does not answer"));
    }
  }
}

absl::StatusOr<VhostUserMessage> VhostUserFrontendChannel::Exchange(
    VhostUserRequest request, uint32_t flags, absl::Span<const uint8_t> payload,
    absl::Span<const int> fds) {
  // Sequentially consistent, both: Look reads them the other way round.
  busy_ = true;
  ++requests_;
  const absl::Status sent = SendRequest(request, flags, payload, fds);
  absl::StatusOr<VhostUserMessage> reply = sent.ok() ? ReceiveReply(request) : sent;
  busy_ = false;
  return reply;
}

absl::Status VhostUserFrontendChannel::Look() {
  const uint64_t before = requests_;
  if (busy_) return absl::OkStatus();
  pollfd polled = {.fd = connection_.fd(), .events = POLLIN | POLLRDHUP, .revents = 0};
  if (poll(&polled, 1, 0) <= 0) return absl::OkStatus();
  if ((polled.revents & (POLLHUP | POLLRDHUP | POLLERR)) != 0) {
    return absl::FailedPreconditionError("the back end is gone");
  }
  // What came is the reply to no request, unless one began meanwhile.
  if (requests_ != before) return absl::OkStatus();
  return absl::FailedPreconditionError("the back end speaks unasked");
}

absl::Status VhostUserFrontendChannel::Send(VhostUserRequest request,
                                            absl::Span<const uint8_t> payload,
                                            absl::Span<const int> fds) {
  return SendRequest(request, 0, payload, fds);
}

absl::Status VhostUserFrontendChannel::Tell(VhostUserRequest request,
                                            absl::Span<const uint8_t> payload,
                                            absl::Span<const int> fds) {
  if (!acknowledged_) return Send(request, payload, fds);
  ASSIGN_OR_RETURN(const VhostUserMessage reply,
                   Exchange(request, kVhostUserNeedReply, payload, fds));
  if (reply.Get<Le64>() == 0) return absl::OkStatus();
  return absl::AbortedError(absl::StrCat("vhost-user ", NameOf(request), ": the back end refused"));
}

absl::StatusOr<VhostUserMessage> VhostUserFrontendChannel::Ask(VhostUserRequest request,
                                                               absl::Span<const uint8_t> payload,
                                                               absl::Span<const int> fds) {
  return Exchange(request, 0, payload, fds);
}

absl::StatusOr<uint64_t> VhostUserFrontendChannel::AskNumber(VhostUserRequest request) {
  ASSIGN_OR_RETURN(const VhostUserMessage reply, Ask(request));
  return reply.Get<Le64>();
}

}  // namespace touchstone
