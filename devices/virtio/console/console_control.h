// The control messages of a console with ports (Virtio 1.2, 5.3.6.2): what the driver has to be
// told, and what it said.
//
//   driver: DEVICE_READY          device: DEVICE_ADD, for each port
//   driver: PORT_READY            device: CONSOLE_PORT, PORT_NAME, PORT_OPEN, RESIZE, as they apply
//   driver: PORT_OPEN 1 or 0      input goes to the port or waits
//
// Messages to the driver are not queued: each port has a set of those that are due, which are made
// when the driver has a buffer. However often a driver asks, there is nothing that grows.
//
// Threads: thread-compatible.

#ifndef TOUCHSTONE_DEVICES_VIRTIO_CONSOLE_CONSOLE_CONTROL_H_
#define TOUCHSTONE_DEVICES_VIRTIO_CONSOLE_CONSOLE_CONTROL_H_

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "devices/virtio/console/console.pb.h"
#include "devices/virtio/console/console_protocol.h"

namespace touchstone {

class ConsoleControl {
 public:
  struct Port {
    std::string name;      // None if empty.
    bool console = false;  // Else it is a channel of bytes.
  };

  explicit ConsoleControl(std::vector<Port> ports);

  // The driver said this. What makes no sense is counted.
  void Receive(const ConsoleMessage& message);

  [[nodiscard]] bool HasMessage() const;
  // The next message to the driver, with what follows it. REQUIRES: HasMessage().
  std::string NextMessage();

  // Whether the driver takes input for the port.
  [[nodiscard]] bool open(uint32_t port) const { return ports_[port].open; }

  // The size of the terminal that shows the consoles; 0 for none.
  void Resize(uint16_t cols, uint16_t rows);
  [[nodiscard]] uint16_t cols() const { return cols_; }
  [[nodiscard]] uint16_t rows() const { return rows_; }

  // The driver is gone.
  void Reset();

  // Fills in what belongs here; `state` has one element for each port.
  void Save(ConsoleState& state) const;
  // InvalidArgument for what Save cannot return.
  [[nodiscard]] absl::Status Check(const ConsoleState& state) const;
  // Tells the driver of a size that is another now. REQUIRES: Check(state).ok().
  void Restore(const ConsoleState& state);

  // Messages of the driver that made no sense.
  [[nodiscard]] uint64_t rejected() const { return rejected_; }

 private:
  struct PortState {
    Port port;
    bool ready = false;
    bool open = false;
    uint32_t pending = 0;  // Bits 1 << event.
  };

  std::string Make(uint32_t port, ConsoleEvent event) const;
  void Announce(PortState& port) const;
  void MakeResizesPending();

  std::vector<PortState> ports_;
  uint16_t cols_ = 0;
  uint16_t rows_ = 0;
  uint64_t rejected_ = 0;
};

}  // namespace touchstone

#endif  // TOUCHSTONE_DEVICES_VIRTIO_CONSOLE_CONSOLE_CONTROL_H_
