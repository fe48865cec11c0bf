// The socket device (Virtio 1.2, 5.10): connections between programs of the guest and programs of
// the host, stream sockets only.
//
//   host, unix_host.h --- VsockMuxer, VsockConnection --- rx, tx
//
// The device offers no feature of its own, which means streams (5.10.3). Its configuration is the
// guest's address. Connections do not survive a restore: the driver hears of a transport reset on
// the event queue (5.10.6.7) and ends its side.
//
// Ownership: borrows the loop, owns the host's side. Threads: as QueueDevice; the host's side works
// on the loop. Destroy it on the loop's thread or while the loop does not run.

#ifndef TOUCHSTONE_DEVICES_VIRTIO_VSOCK_VSOCK_H_
#define TOUCHSTONE_DEVICES_VIRTIO_VSOCK_VSOCK_H_

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "absl/base/thread_annotations.h"
#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "base/event/event_loop.h"
#include "base/mutex.h"
#include "devices/virtio/core/queue_device.h"
#include "devices/virtio/vsock/locking_loop.h"
#include "devices/virtio/vsock/muxer.h"
#include "devices/virtio/vsock/stream.h"

namespace touchstone {

class Vsock final : public QueueDevice {
 public:
  // Virtio 1.2, 5.10.2.
  static constexpr uint16_t kRx = 0;
  static constexpr uint16_t kTx = 1;
  static constexpr uint16_t kEvent = 2;
  static constexpr uint16_t kQueueSize = 256;

  struct Options {
    uint64_t guest_cid = kVsockMinGuestCid;
    std::array<uint16_t, 3> queue_sizes = {kQueueSize, kQueueSize, kQueueSize};
  };

  // Makes the host's side, which works on the loop that it is given.
  using MakeHost = absl::FunctionRef<std::unique_ptr<VsockHost>(EventLoop&)>;

  // REQUIRES: guest_cid is kVsockMinGuestCid to kVsockMaxGuestCid.
  Vsock(EventLoop& loop, const Options& options, MakeHost make_host);
  ~Vsock() override;

  void ReadConfig(uint32_t offset, absl::Span<uint8_t> data) override;
  absl::StatusOr<std::string> Save() override;
  absl::Status Restore(absl::string_view state) override;

  [[nodiscard]] VsockMuxer::Stats stats() const;
  [[nodiscard]] size_t connections() const;

 private:
  bool Accepts(uint16_t queue) override;
  void Handle(uint16_t queue, ReadableChain chain) override;
  void Drain(uint16_t queue) override;
  void OnReset() override;

  bool AcceptsRx() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void HandleEvent(WritableChain buffer) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void Wake() ABSL_NO_THREAD_SAFETY_ANALYSIS;  // With mutex_ held.

  const uint64_t guest_cid_;
  // The transport resets and saves on its own thread while streams make progress on the loop.
  mutable Mutex mutex_;
  LockingLoop locking_loop_;
  const std::unique_ptr<VsockHost> host_;
  VsockMuxer muxer_ ABSL_GUARDED_BY(mutex_);
  // Whether Resume is needed for the queue to go on.
  bool rx_waits_ ABSL_GUARDED_BY(mutex_) = false;
  bool tx_waits_ ABSL_GUARDED_BY(mutex_) = false;
  // The driver has to hear that its connections are gone.
  bool transport_reset_ ABSL_GUARDED_BY(mutex_) = false;

  // A buffer of each kind that waits for its packet or event; put back when its queue stops. On the
  // loop while that runs.
  std::optional<WritableChain> rx_buffer_;
  std::optional<WritableChain> event_buffer_;
};

}  // namespace touchstone

#endif  // TOUCHSTONE_DEVICES_VIRTIO_VSOCK_VSOCK_H_
