// Which virtio consoles of the configuration are consoles of the guest, and which channels.

#ifndef TOUCHSTONE_DEVICES_VIRTIO_CONSOLE_GUEST_CONSOLE_H_
#define TOUCHSTONE_DEVICES_VIRTIO_CONSOLE_GUEST_CONSOLE_H_

#include "devices/platform/serial/serial.pb.h"

namespace touchstone {

// Whether Linux makes /dev/hvcN of it. A name that is not that of a console is that of a channel.
inline bool IsGuestConsole(const SerialConfig& entry) {
  if (entry.hardware() == SerialConfig::LEGACY_VIRTIO_CONSOLE) return true;
  return entry.hardware() == SerialConfig::VIRTIO_CONSOLE &&
         (entry.console() || entry.name().empty());
}

}  // namespace touchstone

#endif  // TOUCHSTONE_DEVICES_VIRTIO_CONSOLE_GUEST_CONSOLE_H_
