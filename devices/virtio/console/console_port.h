// The bytes of one console port: from the driver's chains to a SerialOutput, from a SerialInput
// into its chains.
//
// Nothing is lost, and nothing is buffered without bound: output that has no room stays in its
// chain, which the driver gets back when the last byte of it is written; input stays with the host
// until the driver has a buffer for it, but for the kInputSize bytes that are staged here.
//
// Linux waits for each chain of a console (hvc), with its interrupts off. So a console whose reader
// stalls stops the CPU of the guest that writes; a port that is no console only makes its writer
// wait.
//
// Ownership: owns the host's side. Threads: thread-compatible.

#ifndef TOUCHSTONE_DEVICES_VIRTIO_CONSOLE_CONSOLE_PORT_H_
#define TOUCHSTONE_DEVICES_VIRTIO_CONSOLE_CONSOLE_PORT_H_

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "base/event/event_loop.h"
#include "base/terminal.h"
#include "devices/platform/serial/serial_input.h"
#include "devices/platform/serial/serial_output.h"
#include "devices/virtio/console/console.pb.h"
#include "devices/virtio/core/chain.h"

namespace touchstone {

class ConsolePort {
 public:
  // The host's side, neither null; with what it needs to live as long.
  struct Host {
    std::optional<RawTerminal> terminal;
    std::unique_ptr<SerialOutput> output;
    std::unique_ptr<SerialInput> input;
  };

  static constexpr size_t kInputSize = 4096;
  // Of the chain that is being written, what is kept when the queue stops; the rest is lost. Linux
  // has at most 32 KiB in a chain.
  static constexpr size_t kMaxCarried = size_t{64} * 1024;
  // What is written at a time, so that a driver with huge chains does not hold up the loop.
  static constexpr size_t kTurnSize = size_t{64} * 1024;

  enum class Progress {
    kDone,   // All is written, and there is room for more.
    kFull,   // SerialOutput::OnReady tells when there is room.
    kGoing,  // A turn's worth is written, there is more.
  };

  explicit ConsolePort(Host host) : host_(std::move(host)) {}
  // Writes what fits.
  ~ConsolePort();

  // Who is told of input, and of room for output.
  void Listen(EventLoop::Callback on_input, EventLoop::Callback on_room);

  // Goes on with what waits. REQUIRES, if it is kDone: no chain is kept.
  Progress ContinueOutput();
  // REQUIRES: ContinueOutput() was kDone. Keeps the chain unless it is kDone now.
  Progress Output(ReadableChain chain);
  // Gives back the chain that is kept; its bytes go on being written.
  void ReleaseChain();
  // Goes on with bytes of chains that were given back. Harmless at any time.
  void WriteCarried();
  // One byte, at once or never.
  void EmergencyWrite(uint8_t byte);

  // Whether there are bytes for the driver.
  bool HasInput();
  // Fills a chain with what is there.
  void Input(ReadableChain chain);

  void Save(ConsolePortState& state) const;
  // InvalidArgument for more bytes than Save can return.
  static absl::Status Check(const ConsolePortState& state);
  // REQUIRES: Check(state).ok().
  void Restore(const ConsolePortState& state);

  // Bytes of output that were lost: the queue stopped, or they were no guest memory.
  [[nodiscard]] uint64_t lost() const { return lost_; }

 private:
  const Host host_;
  std::optional<ReadableChain> chain_;
  std::string carried_;
  std::array<uint8_t, kInputSize> staged_;
  size_t staged_first_ = 0;
  size_t staged_size_ = 0;
  uint64_t lost_ = 0;
};

}  // namespace touchstone

#endif  // TOUCHSTONE_DEVICES_VIRTIO_CONSOLE_CONSOLE_PORT_H_
