// The status of a device (Virtio 1.2, 2.1).

#ifndef TOUCHSTONE_DEVICES_VIRTIO_CORE_VIRTIO_STATUS_H_
#define TOUCHSTONE_DEVICES_VIRTIO_CORE_VIRTIO_STATUS_H_

#include <cstdint>

namespace touchstone {

inline constexpr uint8_t kVirtioAcknowledge = 1 << 0;  // The guest noticed the device.
inline constexpr uint8_t kVirtioDriver = 1 << 1;       // It has a driver for it.
inline constexpr uint8_t kVirtioDriverOk = 1 << 2;     // The driver is ready.
inline constexpr uint8_t kVirtioFeaturesOk = 1 << 3;   // Negotiation is done.
inline constexpr uint8_t kVirtioNeedsReset = 1 << 6;   // The device gave up; read-only.
inline constexpr uint8_t kVirtioFailed = 1 << 7;       // The driver gave up.

}  // namespace touchstone

#endif  // TOUCHSTONE_DEVICES_VIRTIO_CORE_VIRTIO_STATUS_H_
