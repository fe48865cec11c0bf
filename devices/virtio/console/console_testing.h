// Consoles whose host is a fake, and their requests.
//
// HostEvent of the last port: kind 0 types the bytes, 1 lets the reader take 16 bytes for each
// value of the first byte and no more, 2 lets it take everything, 3 resizes the terminal (2 bytes),
// 4 has the device follow a terminal, and tells it that that one has a new size.

#ifndef TOUCHSTONE_DEVICES_VIRTIO_CONSOLE_CONSOLE_TESTING_H_
#define TOUCHSTONE_DEVICES_VIRTIO_CONSOLE_CONSOLE_TESTING_H_

#include <cstdint>
#include <memory>
#include <vector>

#include "base/event/event_loop.h"
#include "base/event/manual_loop.h"
#include "devices/platform/serial/serial_testing.h"
#include "devices/virtio/console/console.h"
#include "devices/virtio/testing/device_kit.h"

namespace touchstone {

// The device, and the host's side of each port: one without control messages, or with kPorts a
// console and a channel called "data".
struct FakeConsole {
  FakeConsole(EventLoop& loop, Console::Kind kind,
              FakeOutput::Keeps keeps = FakeOutput::Keeps::kText);

  std::vector<FakeOutput*> outputs;
  std::vector<FakeInput*> inputs;
  std::unique_ptr<Console> device;

 private:
  Console::Port MakePort(ConsoleControl::Port description, FakeOutput::Keeps keeps);
};

class ConsoleUnderTest final : public TestDevice {
 public:
  ConsoleUnderTest(ManualLoop& loop, Console::Kind kind)
      : fake_(loop, kind, FakeOutput::Keeps::kSize) {}

  [[nodiscard]] VirtioDevice& device() override { return *fake_.device; }
  void HostEvent(uint8_t kind, absl::Span<const uint8_t> bytes) override;

 private:
  FakeConsole fake_;
};

// One port.
DeviceKit ConsoleKit();
// Two, and control messages.
DeviceKit ConsolePortsKit();

}  // namespace touchstone

#endif  // TOUCHSTONE_DEVICES_VIRTIO_CONSOLE_CONSOLE_TESTING_H_
