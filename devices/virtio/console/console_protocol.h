// The numbers and structures of the console device (Virtio 1.2, 5.3).
//
// Queues: of port 0 0 and 1, of the control messages 2 and 3, of port n > 0 2n+2 and 2n+3; the
// first of each pair is the one to the driver. Without the feature MULTIPORT there are only 0 and
// 1.

#ifndef TOUCHSTONE_DEVICES_VIRTIO_CONSOLE_CONSOLE_PROTOCOL_H_
#define TOUCHSTONE_DEVICES_VIRTIO_CONSOLE_CONSOLE_PROTOCOL_H_

#include <cstdint>

#include "base/bits.h"
#include "base/endian.h"

namespace touchstone {

// --- Features (5.3.3).
inline constexpr uint64_t kConsoleSizeFeature = Bit<uint64_t>(0);     // cols and rows are valid.
inline constexpr uint64_t kConsoleMultiport = Bit<uint64_t>(1);       // Control messages, ports.
inline constexpr uint64_t kConsoleEmergencyWrite = Bit<uint64_t>(2);  // emergency_write works.

// --- Queues (5.3.2).
inline constexpr uint16_t kConsoleControlToDriver = 2;
inline constexpr uint16_t kConsoleControlToDevice = 3;
constexpr bool IsConsoleControlQueue(uint16_t queue) {
  return queue == kConsoleControlToDriver || queue == kConsoleControlToDevice;
}
// REQUIRES for the port: it is no control queue.
constexpr uint32_t ConsolePortOf(uint16_t queue) { return queue < 2 ? 0 : queue / 2u - 1; }
constexpr bool IsConsoleInput(uint16_t queue) { return queue % 2 == 0; }
constexpr uint16_t ConsoleInputQueue(uint32_t port) {
  return static_cast<uint16_t>(port == 0 ? 0 : 2 * port + 2);
}
constexpr uint16_t ConsoleOutputQueue(uint32_t port) {
  return static_cast<uint16_t>(ConsoleInputQueue(port) + 1);
}

// --- Configuration (5.3.4).
struct ConsoleConfigSpace {
  Le16 cols;
  Le16 rows;
  Le32 max_ports;
  Le32 emergency_write;  // Write-only: the low byte is a character.
};
static_assert(sizeof(ConsoleConfigSpace) == 12);

// --- Control messages (5.3.6.2).
enum class ConsoleEvent : uint16_t {
  kDeviceReady = 0,   // Driver: it is there; value 1, or 0 when it failed.
  kDeviceAdd = 1,     // Device: there is a port.
  kDeviceRemove = 2,  // Device: there is none any more.
  kPortReady = 3,     // Driver: it knows the port; value 1, or 0 when it failed.
  kConsolePort = 4,   // Device: the port is a console.
  kResize = 5,        // Device: the size of a console; a ConsoleResize follows.
  kPortOpen = 6,      // Both: value 1 when the own side of the port is open, 0 when it is closed.
  kPortName = 7,      // Device: the name follows, UTF-8.
};

struct ConsoleMessage {
  Le32 port;
  Le16 event;
  Le16 value;
};
static_assert(sizeof(ConsoleMessage) == 8);

// Linux read rows first until its commit 5326ab737a47 (in 6.15, and in long-term branches of 2026
// on: Debian's 6.1.192 reads cols first), so a guest with an older driver sees the two exchanged.
struct ConsoleResize {
  Le16 cols;
  Le16 rows;
};
static_assert(sizeof(ConsoleResize) == 4);

}  // namespace touchstone

#endif  // TOUCHSTONE_DEVICES_VIRTIO_CONSOLE_CONSOLE_PROTOCOL_H_
