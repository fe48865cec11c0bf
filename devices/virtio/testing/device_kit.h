// What a device type brings along for the suites, fuzzers and benchmarks that all devices share: a
// factory with fakes, and requests with their answers. Declared in the device's X_testing.h:
//
//   class RngUnderTest final : public TestDevice { ... };
//
//   inline DeviceKit RngKit() {
//     return {.make = [](ManualLoop& loop) { return std::make_unique<RngUnderTest>(loop); },
//             .requests = {{.name = "Fill", .writable = {64}, .is_answer = ...}}};
//   }

#ifndef TOUCHSTONE_DEVICES_VIRTIO_TESTING_DEVICE_KIT_H_
#define TOUCHSTONE_DEVICES_VIRTIO_TESTING_DEVICE_KIT_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/types/span.h"
#include "base/event/manual_loop.h"
#include "devices/virtio/core/virtio_device.h"
#include "devices/virtio/testing/driver_queue.h"

namespace touchstone {

// A device over fakes. Uses no resource of the host and is cheap to make: fuzzers make one for each
// input.
class TestDevice {
 public:
  virtual ~TestDevice() = default;

  [[nodiscard]] virtual VirtioDevice& device() = 0;

  // Something happens on the host's side: a frame arrives, a disk answers, a source fails from now
  // on. Any kind and bytes are allowed, at any time; what they mean is the test device's business.
  virtual void HostEvent(uint8_t kind, absl::Span<const uint8_t> bytes) {
    static_cast<void>(kind);
    static_cast<void>(bytes);
  }
};

struct HostEvent {
  uint8_t kind = 0;
  std::vector<uint8_t> bytes;
};

// A request that a driver may make at any time and any number of times, and how it ends.
struct TestRequest {
  std::string name;  // As in a test's name.
  uint16_t queue = 0;
  // The buffers, in this order.
  std::vector<std::vector<uint8_t>> readable;
  std::vector<uint32_t> writable;
  // What happens after the device saw the request, without which it does not come back.
  std::vector<HostEvent> events;
  // Without all of these the request makes no sense.
  uint64_t features = 0;
  // Whether the device answered well.
  std::function<bool(const DriverQueue::Used&)> is_answer;
};

// A ring that the device looks at only when it has something for the driver, so that what is wrong
// with it shows later.
struct LateQueue {
  uint16_t queue = 0;
  // What gives the device something: requests of other queues, then events. Without any the suite
  // leaves the hostile rings of this queue out.
  std::vector<TestRequest> requests;
  std::vector<HostEvent> events;
};

struct DeviceKit {
  // Makes a device. The loop outlives it.
  std::function<std::unique_ptr<TestDevice>(ManualLoop&)> make;
  // The typical ones first: the first needs no feature, and is what the suites send when any
  // request will do.
  std::vector<TestRequest> requests;
  std::vector<LateQueue> late_queues;
};

}  // namespace touchstone

#endif  // TOUCHSTONE_DEVICES_VIRTIO_TESTING_DEVICE_KIT_H_
