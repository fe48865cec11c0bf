// Consoles whose host is a fake, for tests, fuzzers and benchmarks.

#ifndef TOUCHSTONE_DEVICES_VIRTIO_CONSOLE_CONSOLE_TESTING_H_
#define TOUCHSTONE_DEVICES_VIRTIO_CONSOLE_CONSOLE_TESTING_H_

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/event/event_loop.h"
#include "devices/platform/serial/serial_testing.h"
#include "devices/virtio/console/console.h"

namespace touchstone {

// The device, and the host's side of each port.
struct FakeConsole {
  // One port without control messages, or with kPorts: a console, a channel called "data".
  FakeConsole(EventLoop& loop, Console::Kind kind) {
    std::vector<Console::Port> ports;
    ports.push_back(MakePort({.name = "", .console = true}));
    if (kind == Console::Kind::kPorts) ports.push_back(MakePort({.name = "data"}));
    device = std::make_unique<Console>(loop, kind, std::move(ports));
  }

  std::vector<FakeOutput*> outputs;
  std::vector<FakeInput*> inputs;
  std::unique_ptr<Console> device;

 private:
  Console::Port MakePort(ConsoleControl::Port description) {
    auto output = std::make_unique<FakeOutput>();
    auto input = std::make_unique<FakeInput>();
    outputs.push_back(output.get());
    inputs.push_back(input.get());
    return {.port = std::move(description),
            .host = {.terminal = {}, .output = std::move(output), .input = std::move(input)}};
  }
};

}  // namespace touchstone

#endif  // TOUCHSTONE_DEVICES_VIRTIO_CONSOLE_CONSOLE_TESTING_H_
