// Makes the console devices that the configuration asks for (--serial hardware=virtio-console and
// legacy-virtio-console; crosvm.md 5.6).
//
// All virtio-console entries are ports of one device, in the order of their num. An entry alone is
// a console; so is one of several, unless it has a name and is not marked as a console: that is a
// channel, /dev/virtio-ports/NAME. Control messages are offered if there are several entries or
// names; else the guest sees what crosvm shows. Each legacy-virtio-console entry is a device of its
// own.

#ifndef TOUCHSTONE_DEVICES_VIRTIO_CONSOLE_CONSOLE_OPEN_H_
#define TOUCHSTONE_DEVICES_VIRTIO_CONSOLE_CONSOLE_OPEN_H_

#include <cstdint>
#include <memory>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "base/clock.h"
#include "base/event/event_loop.h"
#include "devices/platform/serial/serial.pb.h"
#include "devices/virtio/core/virtio_device.h"

namespace touchstone {

// Opens the files, sockets and terminals of `entries`. `loop` and `clock` outlive the device.
// REQUIRES: the hardware of all entries is VIRTIO_CONSOLE, or there is one and it is
// LEGACY_VIRTIO_CONSOLE. InvalidArgument for more ports than a device has; other errors name the
// port, the key and the file.
absl::StatusOr<std::unique_ptr<VirtioDevice>> OpenConsole(absl::Span<const SerialConfig> entries,
                                                          EventLoop& loop, Clock& clock);

// --- For a console in another process.

// The terminal that shows these consoles and whose size they have, or -1.
int ConsoleTerminal(absl::Span<const SerialConfig> entries);
// The same, with a terminal that the caller knows of. In a process with a FileProvider.
absl::StatusOr<std::unique_ptr<VirtioDevice>> OpenConsole(absl::Span<const SerialConfig> entries,
                                                          EventLoop& loop, Clock& clock,
                                                          int terminal);
// The sizes of the queues that it will have. Errors as OpenConsole, of too many ports.
absl::StatusOr<std::vector<uint16_t>> ConsoleQueueSizes(absl::Span<const SerialConfig> entries);

}  // namespace touchstone

#endif  // TOUCHSTONE_DEVICES_VIRTIO_CONSOLE_CONSOLE_OPEN_H_
