#include "devices/virtio/console/console_testing.h"

#include <pty.h>
#include <signal.h>

#include <string>
#include <utility>

#include "base/log.h"
#include "devices/virtio/console/console_protocol.h"

namespace touchstone {
namespace {

bool IsReturned(const DriverQueue::Used& used) { return used.length == 0; }

std::vector<uint8_t> Message(uint32_t port, ConsoleEvent event, uint16_t value) {
  const ConsoleMessage message = {
      .port = port, .event = static_cast<uint16_t>(event), .value = value};
  const auto* bytes = reinterpret_cast<const uint8_t*>(&message);
  return {bytes, bytes + sizeof(message)};
}

TestRequest Control(std::string name, std::vector<uint8_t> message) {
  return {.name = std::move(name),
          .queue = kConsoleControlToDevice,
          .readable = {std::move(message)},
          .features = kConsoleMultiport,
          .is_answer = IsReturned};
}

DeviceKit KitOf(Console::Kind kind) {
  DeviceKit kit = {
      .make = [kind](ManualLoop& loop) { return std::make_unique<ConsoleUnderTest>(loop, kind); },
      .requests = {{.name = "Output",
                    .queue = 1,
                    .readable = {{'h', 'e', 'l', 'l', 'o'}},
                    .is_answer = IsReturned}}};
  kit.requests.push_back({.name = "OutputPieces",
                          .queue = 1,
                          .readable = {{1}, std::vector<uint8_t>(5000, 2), {3}},
                          .is_answer = IsReturned});
  kit.requests.push_back(
      {.name = "OutputNothing", .queue = 1, .writable = {8}, .is_answer = IsReturned});
  kit.requests.push_back({.name = "OutputToASlowReader",
                          .queue = 1,
                          .readable = {std::vector<uint8_t>(100, 'x')},
                          .events = {{.kind = 1, .bytes = {2}}, {.kind = 2}},
                          .is_answer = IsReturned});
  return kit;
}

// Made once, with a size.
int Terminal() {
  static const int terminal = [] {
    int controller;
    int end;
    const winsize size = {.ws_row = 25, .ws_col = 80, .ws_xpixel = 0, .ws_ypixel = 0};
    CHECK(openpty(&controller, &end, nullptr, nullptr, &size) == 0);
    return end;
  }();
  return terminal;
}

}  // namespace

FakeConsole::FakeConsole(EventLoop& loop, Console::Kind kind, FakeOutput::Keeps keeps) {
  constexpr size_t kMostPorts = 2;
  outputs.reserve(kMostPorts);
  inputs.reserve(kMostPorts);
  std::vector<Console::Port> ports;
  ports.reserve(kMostPorts);
  ports.push_back(MakePort({.name = "", .console = true}, keeps));
  if (kind == Console::Kind::kPorts) ports.push_back(MakePort({.name = "data"}, keeps));
  device = std::make_unique<Console>(loop, kind, std::move(ports));
}

Console::Port FakeConsole::MakePort(ConsoleControl::Port description, FakeOutput::Keeps keeps) {
  auto output = std::make_unique<FakeOutput>(keeps);
  auto input = std::make_unique<FakeInput>();
  outputs.push_back(output.get());
  inputs.push_back(input.get());
  return {.port = std::move(description),
          .host = {.terminal = {}, .output = std::move(output), .input = std::move(input)}};
}

void ConsoleUnderTest::HostEvent(uint8_t kind, absl::Span<const uint8_t> bytes) {
  FakeOutput& output = *fake_.outputs.back();
  const auto at = [bytes](size_t i) -> uint8_t { return i < bytes.size() ? bytes[i] : 0; };
  switch (kind % 5) {
    case 0:
      fake_.inputs.back()->Type({reinterpret_cast<const char*>(bytes.data()), bytes.size()});
      return;
    case 1:
      return output.SetCapacity(output.size() + size_t{16} * at(0));
    case 2:
      output.SetCapacity(SIZE_MAX);
      return output.Drain();
    case 3:
      return fake_.device->Resize(at(0), at(1));
    case 4:
      CHECK(fake_.device->FollowTerminal(Terminal()).ok());
      CHECK(raise(SIGWINCH) == 0);
      return;
  }
}

DeviceKit ConsoleKit() {
  DeviceKit kit = KitOf(Console::Kind::kSingle);
  kit.late_queues = {{.queue = 0, .events = {{.kind = 0, .bytes = {'x'}}}}};
  kit.requests.push_back({.name = "Input",
                          .writable = {16},
                          .events = {{.kind = 0, .bytes = {'t', 'y', 'p', 'e', 'd'}}},
                          .is_answer = [](const auto& used) {
                            return used.length == 5 && used.data[0] == 't' && used.data[4] == 'd';
                          }});
  return kit;
}

DeviceKit ConsolePortsKit() {
  DeviceKit kit = KitOf(Console::Kind::kPorts);
  kit.requests.push_back(
      {.name = "Channel", .queue = 5, .readable = {{'d', 'a', 't', 'a'}}, .is_answer = IsReturned});
  kit.requests.push_back(Control("DeviceReady", Message(0, ConsoleEvent::kDeviceReady, 1)));
  kit.requests.push_back(Control("PortReady", Message(1, ConsoleEvent::kPortReady, 1)));
  kit.requests.push_back(Control("ConsoleReady", Message(0, ConsoleEvent::kPortReady, 1)));
  kit.requests.push_back(Control("PortOpen", Message(1, ConsoleEvent::kPortOpen, 1)));
  kit.requests.push_back(Control("ShortMessage", {1, 2, 3}));
  // Events are those of the last port: the other one's input has none.
  kit.late_queues = {
      {.queue = 0},
      {.queue = kConsoleControlToDriver,
       .requests = {Control("DeviceReady", Message(0, ConsoleEvent::kDeviceReady, 1))}},
      {.queue = 4,
       .requests = {Control("PortOpen", Message(1, ConsoleEvent::kPortOpen, 1))},
       .events = {{.kind = 0, .bytes = {'x'}}}}};
  return kit;
}

}  // namespace touchstone
