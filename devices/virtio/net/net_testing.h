// A network device whose network is a fake, and its requests.
//
// HostEvent, by kind % 6; bytes[0] says which pair of queues:
//
//   0  a frame comes, of as many bytes as bytes[1] and bytes[2] say, header included; the other
//      bytes are how it begins, the rest is 0
//   1  the same, and what came before and was not received is lost
//   2  there is no room to send, or there is again
//   3  from now on receiving works, loses the frame, or finds nobody, by bytes[1] % 3
//   4  the same for sending
//   5  the host refuses what the driver sets, or does no more

#ifndef TOUCHSTONE_DEVICES_VIRTIO_NET_NET_TESTING_H_
#define TOUCHSTONE_DEVICES_VIRTIO_NET_NET_TESTING_H_

#include <cstddef>
#include <cstdint>

#include "absl/types/span.h"
#include "base/event/manual_loop.h"
#include "devices/virtio/net/fake_net_backend.h"
#include "devices/virtio/net/net.h"
#include "devices/virtio/testing/device_kit.h"

namespace touchstone {

class NetUnderTest final : public TestDevice {
 public:
  // Frames that wait at a port; further ones are lost.
  static constexpr size_t kMaxArriving = 64;

  NetUnderTest(ManualLoop& loop, size_t pairs);

  [[nodiscard]] VirtioDevice& device() override { return net_; }
  void HostEvent(uint8_t kind, absl::Span<const uint8_t> bytes) override;

  [[nodiscard]] Net& net() { return net_; }
  [[nodiscard]] FakeNetBackend& backend() { return *backend_; }

 private:
  FakeNetBackend* backend_;  // The device's.
  Net net_;
};

// One pair of queues.
DeviceKit NetKit();
// Two, of which the driver has to ask for the second.
DeviceKit NetPairsKit();

}  // namespace touchstone

#endif  // TOUCHSTONE_DEVICES_VIRTIO_NET_NET_TESTING_H_
