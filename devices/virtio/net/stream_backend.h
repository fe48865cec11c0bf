// A network at the other end of a stream socket (StreamPort): passt, or what speaks like it. One
// pair of queues, no offloads.
//
// When the other side hangs up the device's link goes down and the machine runs on. A backend that
// was given a path tries again each second until somebody listens there; one that was given a
// socket has no second one.
//
// Ownership: owns the socket; the loop is borrowed. Threads: as NetBackend.

#ifndef TOUCHSTONE_DEVICES_VIRTIO_NET_STREAM_BACKEND_H_
#define TOUCHSTONE_DEVICES_VIRTIO_NET_STREAM_BACKEND_H_

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "base/event/event_loop.h"
#include "base/mutex.h"
#include "base/scoped_fd.h"
#include "devices/virtio/net/net_backend.h"
#include "devices/virtio/net/stream_port.h"

namespace touchstone {

// InvalidArgument when the descriptor is no connected unix stream.
absl::Status CheckStreamSocket(int fd);

class StreamBackend final : public NetBackend {
 public:
  static constexpr absl::Duration kRetryInterval = absl::Seconds(1);

  // Connects to the socket that somebody listens on.
  static absl::StatusOr<std::unique_ptr<StreamBackend>> Connect(const std::string& path,
                                                                EventLoop& loop);
  // Errors as CheckStreamSocket. `name` is for messages; `path` is
  // where to connect to again, if anywhere.
  static absl::StatusOr<std::unique_ptr<StreamBackend>> FromSocket(ScopedFd socket,
                                                                   std::string name,
                                                                   std::optional<uint16_t> mtu,
                                                                   EventLoop& loop,
                                                                   std::string path = "");
  ~StreamBackend() override;

  // --- NetBackend.
  [[nodiscard]] size_t pairs() const override { return 1; }
  [[nodiscard]] NetPort& port(size_t pair) override {
    static_cast<void>(pair);
    return port_;
  }
  [[nodiscard]] uint64_t offloads() const override { return 0; }
  [[nodiscard]] std::optional<uint16_t> mtu() const override { return mtu_; }
  absl::Status SetGuestOffloads(uint64_t /*offloads*/) override { return absl::OkStatus(); }
  absl::Status SetActivePairs(size_t /*pairs*/) override { return absl::OkStatus(); }
  void WatchReturn(const std::function<void()>& returned) override ABSL_LOCKS_EXCLUDED(mutex_);

 private:
  StreamBackend(ScopedFd socket, std::string name, std::string path, std::optional<uint16_t> mtu,
                EventLoop& loop);

  void Lost(const absl::Status& reason);
  void RetryLater() ABSL_LOCKS_EXCLUDED(mutex_);
  void Retry();

  const std::string name_;
  const std::string path_;  // Empty when there is none to connect to again.
  const std::optional<uint16_t> mtu_;
  EventLoop& loop_;
  StreamPort port_;

  std::function<void()> returned_;  // The loop's; does not change while timer_ runs.
  Mutex mutex_;
  bool watched_ ABSL_GUARDED_BY(mutex_) = false;
  Watch timer_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace touchstone

#endif  // TOUCHSTONE_DEVICES_VIRTIO_NET_STREAM_BACKEND_H_
