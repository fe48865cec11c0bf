#include "devices/virtio/console/console_control.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "base/append_object.h"

namespace touchstone {
namespace {

constexpr uint32_t Pending(ConsoleEvent event) { return 1u << static_cast<uint32_t>(event); }

// In the order they are sent: a driver has to know a port to name it, and what kind of port it is
// before it opens.
constexpr ConsoleEvent kOrder[] = {ConsoleEvent::kDeviceAdd, ConsoleEvent::kConsolePort,
                                   ConsoleEvent::kPortName, ConsoleEvent::kPortOpen,
                                   ConsoleEvent::kResize};
constexpr uint32_t kAll = Pending(ConsoleEvent::kDeviceAdd) | Pending(ConsoleEvent::kConsolePort) |
                          Pending(ConsoleEvent::kPortName) | Pending(ConsoleEvent::kPortOpen) |
                          Pending(ConsoleEvent::kResize);

}  // namespace

ConsoleControl::ConsoleControl(std::vector<Port> ports) {
  for (Port& port : ports) ports_.push_back({.port = std::move(port)});
}

void ConsoleControl::Receive(const ConsoleMessage& message) {
  const auto event = static_cast<ConsoleEvent>(message.event.get());
  const bool value = message.value.get() != 0;
  if (event == ConsoleEvent::kDeviceReady) {
    // The port of this message means nothing.
    for (PortState& port : ports_) port.pending = value ? Pending(ConsoleEvent::kDeviceAdd) : 0;
    return;
  }
  if (message.port >= ports_.size()) {
    ++rejected_;
    return;
  }
  PortState& port = ports_[message.port];
  switch (event) {
    case ConsoleEvent::kPortReady:
      port.ready = value;
      port.pending = 0;
      if (value) Announce(port);
      return;
    case ConsoleEvent::kPortOpen:
      port.open = value;
      return;
    default:  // A driver sends nothing else.
      ++rejected_;
  }
}

void ConsoleControl::Announce(PortState& port) const {
  // The host's side is open as long as the machine runs: what it writes to may come and go, as with
  // a serial port.
  port.pending = Pending(ConsoleEvent::kPortOpen);
  if (!port.port.name.empty()) port.pending |= Pending(ConsoleEvent::kPortName);
  if (!port.port.console) return;
  port.pending |= Pending(ConsoleEvent::kConsolePort);
  if (cols_ != 0) port.pending |= Pending(ConsoleEvent::kResize);
}

bool ConsoleControl::HasMessage() const {
  return std::any_of(ports_.begin(), ports_.end(),
                     [](const PortState& port) { return port.pending != 0; });
}

std::string ConsoleControl::NextMessage() {
  for (uint32_t i = 0; i < ports_.size(); ++i) {
    for (const ConsoleEvent event : kOrder) {
      if ((ports_[i].pending & Pending(event)) == 0) continue;
      ports_[i].pending &= ~Pending(event);
      return Make(i, event);
    }
  }
  return {};
}

std::string ConsoleControl::Make(uint32_t port, ConsoleEvent event) const {
  ConsoleMessage message = {.port = port, .event = static_cast<uint16_t>(event), .value = 1};
  std::string bytes;
  AppendObject(bytes, message);
  if (event == ConsoleEvent::kPortName) bytes += ports_[port].port.name;
  if (event == ConsoleEvent::kResize)
    AppendObject(bytes, ConsoleResize{.cols = cols_, .rows = rows_});
  return bytes;
}

void ConsoleControl::Resize(uint16_t cols, uint16_t rows) {
  if (cols == cols_ && rows == rows_) return;
  cols_ = cols;
  rows_ = rows;
  MakeResizesPending();
}

void ConsoleControl::MakeResizesPending() {
  for (PortState& port : ports_) {
    if (port.ready && port.port.console) port.pending |= Pending(ConsoleEvent::kResize);
  }
}

void ConsoleControl::Reset() {
  for (PortState& port : ports_) port = {.port = std::move(port.port)};
}

void ConsoleControl::Save(ConsoleState& state) const {
  state.set_cols(cols_);
  state.set_rows(rows_);
  for (size_t i = 0; i < ports_.size(); ++i) {
    ConsolePortState& port = *state.mutable_port(static_cast<int>(i));
    port.set_ready(ports_[i].ready);
    port.set_open(ports_[i].open);
    port.set_pending(ports_[i].pending);
  }
}

absl::Status ConsoleControl::Check(const ConsoleState& state) const {
  if (static_cast<size_t>(state.port_size()) != ports_.size()) {
    return absl::InvalidArgumentError(
        absl::StrCat("a console with ", state.port_size(), " ports, this one has ", ports_.size()));
  }
  if (state.cols() > UINT16_MAX || state.rows() > UINT16_MAX) {
    return absl::InvalidArgumentError("a console of a size that does not exist");
  }
  for (const ConsolePortState& port : state.port()) {
    if ((port.pending() & ~kAll) != 0) {
      return absl::InvalidArgumentError("a console port with control messages that do not exist");
    }
  }
  return absl::OkStatus();
}

void ConsoleControl::Restore(const ConsoleState& state) {
  for (size_t i = 0; i < ports_.size(); ++i) {
    const ConsolePortState& port = state.port(static_cast<int>(i));
    ports_[i].ready = port.ready();
    ports_[i].open = port.open();
    ports_[i].pending = port.pending();
  }
  if (cols_ == 0 && rows_ == 0) {  // There is no terminal here.
    cols_ = static_cast<uint16_t>(state.cols());
    rows_ = static_cast<uint16_t>(state.rows());
  } else if (state.cols() != cols_ || state.rows() != rows_) {
    MakeResizesPending();
  }
}

}  // namespace touchstone
