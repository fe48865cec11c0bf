// Requests of a vhost-user front end, and the replies to them.
//
//   ASSIGN_OR_RETURN(const uint64_t features, channel.AskNumber(VhostUserRequest::kGetFeatures));
//   RETURN_IF_ERROR(channel.Tell(VhostUserRequest::kSetVringNum, VhostUserPayload(state)));
//
// The back end is not trusted, and may have died: no request waits longer than its waiter's
// patience, and a reply is what the table says it is. After such a failure the channel is dead, and
// every request fails with FailedPrecondition. An answer that says no is Aborted, and the channel
// lives on.
//
// Thread-compatible, but for Post, Look and Shutdown.

#ifndef TOUCHSTONE_DEVICES_VIRTIO_VHOST_USER_FRONTEND_CHANNEL_H_
#define TOUCHSTONE_DEVICES_VIRTIO_VHOST_USER_FRONTEND_CHANNEL_H_

#include <atomic>
#include <cstdint>
#include <memory>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "base/mutex.h"
#include "base/scoped_fd.h"
#include "devices/virtio/vhost_user/connection.h"
#include "devices/virtio/vhost_user/message.h"

namespace touchstone {

// Waits for the peer. Tests turn the peer instead.
class VhostUserWaiter {
 public:
  virtual ~VhostUserWaiter() = default;

  // A request begins: the patience for its waits begins anew.
  virtual void Begin() = 0;
  // Returns when `fd` may be readable (writable), false when the patience is at its end.
  virtual bool Wait(int fd, bool writable) = 0;
};

// By poll(2), for at most so long in all.
std::unique_ptr<VhostUserWaiter> MakeVhostUserWaiter(absl::Duration patience);

class VhostUserFrontendChannel {
 public:
  VhostUserFrontendChannel(ScopedFd socket, std::shared_ptr<VhostUserWaiter> waiter);

  // REPLY_ACK was negotiated: what Tell tells is acknowledged.
  void UseAcknowledgements() { acknowledged_ = true; }

  // Sends a request that has no reply of its own. Tell waits for the acknowledgement, where there
  // is one.
  absl::Status Tell(VhostUserRequest request, absl::Span<const uint8_t> payload,
                    absl::Span<const int> fds = {});
  absl::Status Send(VhostUserRequest request, absl::Span<const uint8_t> payload,
                    absl::Span<const int> fds = {});
  // Sends a request that has one, and waits for it.
  absl::StatusOr<VhostUserMessage> Ask(VhostUserRequest request,
                                       absl::Span<const uint8_t> payload = {},
                                       absl::Span<const int> fds = {});
  // The same where the reply is a number.
  absl::StatusOr<uint64_t> AskNumber(VhostUserRequest request);

  // Sends a request without a reply at once, or ends the connection: the back end has not read for
  // long. Thread-safe, also while another request waits.
  void Post(VhostUserRequest request, absl::Span<const uint8_t> payload, absl::Span<const int> fds);

  // For the one who watches fd(): whether the back end is gone, or speaks unasked. From any one
  // thread.
  [[nodiscard]] absl::Status Look();
  // Ends the connection. Thread-safe.
  void Shutdown() const { connection_.Shutdown(); }

  [[nodiscard]] int fd() const { return connection_.fd(); }
  [[nodiscard]] VhostUserWaiter& waiter() { return *waiter_; }

 private:
  absl::Status SendRequest(VhostUserRequest request, uint32_t flags,
                           absl::Span<const uint8_t> payload, absl::Span<const int> fds);
  absl::StatusOr<VhostUserMessage> ReceiveReply(VhostUserRequest request);
  absl::StatusOr<VhostUserMessage> Exchange(VhostUserRequest request, uint32_t flags,
                                            absl::Span<const uint8_t> payload,
                                            absl::Span<const int> fds);
  // The channel is dead, because of this.
  absl::Status Die(VhostUserRequest request, const absl::Status& why);

  // Whole messages, one after the other.
  absl::Status SendMessage(VhostUserRequest request, uint32_t flags,
                           absl::Span<const uint8_t> payload, absl::Span<const int> fds)
      ABSL_LOCKS_EXCLUDED(send_mutex_);

  Mutex send_mutex_;
  VhostUserConnection connection_;
  const std::shared_ptr<VhostUserWaiter> waiter_;
  bool acknowledged_ = false;
  absl::Status dead_;
  // What Look needs: a request is under way, and how many there were.
  std::atomic<bool> busy_{false};
  std::atomic<uint64_t> requests_{0};
};

}  // namespace touchstone

#endif  // TOUCHSTONE_DEVICES_VIRTIO_VHOST_USER_FRONTEND_CHANNEL_H_
