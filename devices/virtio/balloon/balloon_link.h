// A balloon in another process: what vhost-user does not carry, over a socket of its own.
//
//   parent                                 jailed child
//   RemoteBalloon --target, question-->    BalloonServer, Balloon
//                 <--state, statistics--
//
// Messages are packets of fixed size. Neither side waits for the other: what the peer does not take
// is dropped. The parent does not trust the child: it believes nothing that a guest could not have
// said.
//
// Ownership: loop and balloon are borrowed; the socket is one end of a pair of kSeqPacket, which
// becomes non-blocking. Threads: as BalloonHandle; destroyed on the loop's thread or while the loop
// does not run.

#ifndef TOUCHSTONE_DEVICES_VIRTIO_BALLOON_BALLOON_LINK_H_
#define TOUCHSTONE_DEVICES_VIRTIO_BALLOON_BALLOON_LINK_H_

#include <cstdint>
#include <map>
#include <memory>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/status/statusor.h"
#include "base/event/event_loop.h"
#include "base/event_fd.h"
#include "base/fd_socket.h"
#include "base/mutex.h"
#include "devices/virtio/balloon/balloon.h"
#include "devices/virtio/balloon/balloon_handle.h"

namespace touchstone {

struct BalloonLinkMessage;

class RemoteBalloon final : public BalloonHandle {
 public:
  // What the balloon itself was made with.
  RemoteBalloon(FdSocket socket, EventLoop& loop, uint64_t memory_size, uint64_t target);

  void SetTarget(uint64_t bytes) override;
  [[nodiscard]] uint64_t target() const override;
  [[nodiscard]] uint64_t actual() const override;
  [[nodiscard]] bool active() const override;
  void RequestStatistics(StatisticsCallback callback) override;
  void OnChange(EventLoop::Callback callback) override;

 private:
  // The child answers within Balloon::kStatisticsPatience, which is half of it.
  static constexpr absl::Duration kPatience = absl::Seconds(4);

  struct Question {
    StatisticsCallback callback;
    Watch patience;
  };

  void Serve();
  void Answer(uint32_t id, const absl::optional<BalloonStatistics>& statistics);

  const FdSocket socket_;
  EventLoop& loop_;
  const uint64_t memory_size_;
  mutable Mutex mutex_;
  uint64_t target_ ABSL_GUARDED_BY(mutex_);
  uint64_t actual_ ABSL_GUARDED_BY(mutex_) = 0;
  bool active_ ABSL_GUARDED_BY(mutex_) = false;
  EventLoop::Callback on_change_ ABSL_GUARDED_BY(mutex_);
  // The loop's.
  uint32_t last_id_ = 0;
  std::map<uint32_t, Question> questions_;
  Watch watch_;
};

class BalloonServer {
 public:
  static absl::StatusOr<std::unique_ptr<BalloonServer>> Create(FdSocket socket, EventLoop& loop,
                                                               Balloon& balloon);
  ~BalloonServer();
  BalloonServer(const BalloonServer&) = delete;
  BalloonServer& operator=(const BalloonServer&) = delete;

 private:
  BalloonServer(FdSocket socket, EventFd changed, EventLoop& loop, Balloon& balloon);

  void Serve();
  void SendState();
  void Send(const BalloonLinkMessage& message) const;

  const FdSocket socket_;
  const EventFd changed_;
  Balloon& balloon_;
  // Shared with requests for statistics, which may outlive this.
  const std::shared_ptr<BalloonServer*> self_;
  Watch watch_;
  Watch change_;
};

}  // namespace touchstone

#endif  // TOUCHSTONE_DEVICES_VIRTIO_BALLOON_BALLOON_LINK_H_
