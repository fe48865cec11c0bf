// The console device (Virtio 1.2, 5.3): ports that carry bytes between the driver and the host's
// files, terminals and sockets.
//
//   Console console(loop, Console::Kind::kPorts, std::move(ports));
//   RETURN_IF_ERROR(console.FollowTerminal(STDIN_FILENO));
//
// With ports, each is a console of the guest (/dev/hvcN) or a channel with a name
// (/dev/virtio-ports/NAME), announced by control messages. A driver that does not take the feature
// MULTIPORT has port 0 alone, as a console.
//
// Bytes: see ConsolePort. The configuration has the size of the terminal (5.3.4), and a character
// that is written to emergency_write appears on port 0 at once.
//
// Ownership: owns the host's side of its ports. Threads: as QueueDevice; the host's side calls back
// on the loop; Resize is thread-safe.

#ifndef TOUCHSTONE_DEVICES_VIRTIO_CONSOLE_CONSOLE_H_
#define TOUCHSTONE_DEVICES_VIRTIO_CONSOLE_CONSOLE_H_

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "base/event/event_loop.h"
#include "base/mutex.h"
#include "devices/virtio/console/console_control.h"
#include "devices/virtio/console/console_port.h"
#include "devices/virtio/console/console_protocol.h"
#include "devices/virtio/console/terminal_size.h"
#include "devices/virtio/core/queue_device.h"

namespace touchstone {

class Console final : public QueueDevice {
 public:
  static constexpr uint32_t kDeviceId = 3;
  static constexpr uint16_t kQueueSize = 256;
  static constexpr size_t kMaxPorts = 31;

  enum class Kind {
    kLegacy,  // One port, no features.
    kSingle,  // One port; its size, emergency writes.
    kPorts,   // All of that, and control messages.
  };
  struct Port {
    ConsoleControl::Port port;
    ConsolePort::Host host;
  };

  // Of a console with so many ports.
  static std::vector<uint16_t> QueueSizes(Kind kind, size_t ports);

  // REQUIRES: 1 to kMaxPorts ports; exactly one unless the kind is kPorts.
  Console(EventLoop& loop, Kind kind, std::vector<Port> ports);
  ~Console() override;

  // The terminal that shows the consoles has this size now.
  void Resize(uint16_t cols, uint16_t rows);
  // Resizes when the host's terminal `fd` (borrowed) does, now to begin with. On the loop's thread
  // or while it does not run.
  absl::Status FollowTerminal(int fd);

  void ReadConfig(uint32_t offset, absl::Span<uint8_t> data) override;
  void WriteConfig(uint32_t offset, absl::Span<const uint8_t> data) override;
  absl::StatusOr<std::string> Save() override;
  absl::Status Restore(absl::string_view state) override;

 private:
  static constexpr uint32_t kStateVersion = 1;

  bool Accepts(uint16_t queue) override;
  void Handle(uint16_t queue, ReadableChain chain) override;
  void Drain(uint16_t queue) override;
  void OnReset() override;

  // Looks after what output left to do.
  bool Done(uint16_t queue, ConsolePort::Progress progress);
  void SendControl(ReadableChain chain) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void ReceiveControl(ReadableChain chain) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void HasRoom(uint32_t port);

  const Kind kind_;
  std::unique_ptr<TerminalSize> terminal_;
  // Of the queues' work on the loop, and of what the transport and the host want meanwhile.
  Mutex mutex_;
  ConsoleControl control_ ABSL_GUARDED_BY(mutex_);
  std::vector<std::unique_ptr<ConsolePort>> ports_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace touchstone

#endif  // TOUCHSTONE_DEVICES_VIRTIO_CONSOLE_CONSOLE_H_
