// The entropy device over a fake source, and its requests.
//
// HostEvent: kind 0 makes the source fail from now on, 1 makes it ask the host's too, whose bytes
// nobody sees, any other makes it work again alone.

#ifndef TOUCHSTONE_DEVICES_VIRTIO_RNG_RNG_TESTING_H_
#define TOUCHSTONE_DEVICES_VIRTIO_RNG_RNG_TESTING_H_

#include <cstdint>
#include <memory>

#include "base/event/manual_loop.h"
#include "devices/virtio/rng/rng.h"
#include "devices/virtio/testing/device_kit.h"

namespace touchstone {

class RngUnderTest final : public TestDevice {
 public:
  explicit RngUnderTest(ManualLoop& loop);

  [[nodiscard]] VirtioDevice& device() override { return rng_; }
  void HostEvent(uint8_t kind, absl::Span<const uint8_t> bytes) override;

 private:
  bool fails_ = false;
  bool asks_host_ = false;
  Rng rng_;
};

DeviceKit RngKit();

}  // namespace touchstone

#endif  // TOUCHSTONE_DEVICES_VIRTIO_RNG_RNG_TESTING_H_
