// The network device (Virtio 1.2, 5.1), over any NetBackend.
//
//   queue 0, 1       receive and transmit of the first pair
//   ...              further pairs
//   the last         control; queue 2 when the driver did not negotiate MQ (5.1.2)
//
// Offers what crosvm does (crosvm.md 5.5), and besides: IPv6 and ECN segmentation, mergeable
// receive buffers, the modes of the receive filter, setting the address, and the state of the link,
// which is down while the backend's other side is gone.
//
// Ownership: owns the backend; the loop is borrowed. Threads: as QueueDevice; the backend is used
// on the loop.

#ifndef TOUCHSTONE_DEVICES_VIRTIO_NET_NET_H_
#define TOUCHSTONE_DEVICES_VIRTIO_NET_NET_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/time/time.h"
#include "base/event/event_loop.h"
#include "base/mutex.h"
#include "devices/virtio/core/queue_device.h"
#include "devices/virtio/net/net_backend.h"
#include "devices/virtio/net/net_control.h"
#include "devices/virtio/net/net_protocol.h"
#include "devices/virtio/net/net_receiver.h"
#include "devices/virtio/net/net_transmitter.h"
#include "devices/virtio/net/receive_filter.h"

namespace touchstone {

class Net final : public QueueDevice, private NetControl::Target {
 public:
  static constexpr uint32_t kDeviceId = 1;
  static constexpr uint16_t kQueueSize = 256;

  struct Options {
    std::optional<MacAddress> mac;  // Without one the driver makes one up.
    bool mergeable = true;
    bool packed = false;  // Offers packed rings.
    // See NetTransmitter.
    absl::Duration transmit_wait = absl::ZeroDuration();
  };

  // REQUIRES: the backend has at most kNetMaxPairs pairs.
  Net(std::unique_ptr<NetBackend> backend, Options options, EventLoop& loop);
  ~Net() override;

  void ReadConfig(uint32_t offset, absl::Span<uint8_t> data) override;

  absl::StatusOr<std::string> Save() override;
  absl::Status Restore(absl::string_view state) override;

  [[nodiscard]] NetReceiver::Stats receive_stats(size_t pair) const {
    return receivers_[pair]->stats();
  }
  [[nodiscard]] NetTransmitter::Stats transmit_stats(size_t pair) const {
    return transmitters_[pair]->stats();
  }

 private:
  enum class Role { kReceive, kTransmit, kControl, kNone };

  static Traits TraitsOf(const NetBackend& backend, const Options& options);

  [[nodiscard]] Role RoleOf(uint16_t queue) const;
  // Tells the backend what was negotiated, or restored, before the first queue does anything.
  void Apply();
  [[nodiscard]] uint64_t GuestOffloads() const;
  // The backend's other side has gone, or has returned.
  void LinkGone();
  void LinkReturned();

  // --- QueueDevice.
  void OnKick(uint16_t index, VirtQueue& queue) override;
  bool Accepts(uint16_t queue) override;
  bool LooksAgain(uint16_t queue, int served) override;
  void Handle(uint16_t queue, ReadableChain chain) override;
  void Drain(uint16_t queue) override;
  void OnReset() override;

  // --- NetControl::Target.
  ReceiveFilter& filter() override { return filter_; }
  void SetMac(const MacAddress& mac) override;
  bool SetPairs(uint16_t pairs) override;
  bool SetGuestOffloads(uint64_t offloads) override;

  const Options options_;
  const std::unique_ptr<NetBackend> backend_;
  std::vector<std::unique_ptr<NetReceiver>> receivers_;
  std::vector<std::unique_ptr<NetTransmitter>> transmitters_;
  NetControl control_{*this};

  // What the driver has said. The loop's while queues run.
  ReceiveFilter filter_;
  size_t active_pairs_ = 1;
  std::optional<uint64_t> guest_offloads_;  // What was negotiated until it is set.
  bool applied_ = false;

  Mutex mutex_;
  // As the configuration shows them.
  std::optional<MacAddress> mac_ ABSL_GUARDED_BY(mutex_);
  bool link_up_ ABSL_GUARDED_BY(mutex_) = true;
};

}  // namespace touchstone

#endif  // TOUCHSTONE_DEVICES_VIRTIO_NET_NET_H_
