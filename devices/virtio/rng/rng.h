// The entropy device (Virtio 1.2, 5.4): fills the driver's buffers with random bytes. One queue, no
// features, no configuration, no state.
//
// A request gets at most kMaxBytes, so that a driver with huge buffers does not hold up the loop
// (5.4.6.1: the device MAY use less than the entire buffer). Bytes come in chunks straight from the
// source, and are kept nowhere.
//
// Threads: as QueueDevice; the source is called on the loop.

#ifndef TOUCHSTONE_DEVICES_VIRTIO_RNG_RNG_H_
#define TOUCHSTONE_DEVICES_VIRTIO_RNG_RNG_H_

#include <cstdint>

#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"
#include "absl/types/span.h"
#include "base/event/event_loop.h"
#include "devices/virtio/core/queue_device.h"

namespace touchstone {

class Rng final : public QueueDevice {
 public:
  static constexpr uint32_t kDeviceId = 4;
  static constexpr uint16_t kQueueSize = 256;
  static constexpr uint64_t kMaxBytes = uint64_t{64} * 1024;

  // Fills the span with random bytes.
  using Source = absl::AnyInvocable<absl::Status(absl::Span<uint8_t>)>;

  // getrandom(2).
  static absl::Status HostRandom(absl::Span<uint8_t> bytes);

  explicit Rng(EventLoop& loop, Source source = HostRandom);

 private:
  static constexpr size_t kChunk = 4096;

  void Handle(uint16_t queue, ReadableChain chain) override;

  Source source_;
};

}  // namespace touchstone

#endif  // TOUCHSTONE_DEVICES_VIRTIO_RNG_RNG_H_
