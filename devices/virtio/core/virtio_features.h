// Feature bits that belong to no device type (Virtio 1.2, section 6), as masks.

#ifndef TOUCHSTONE_DEVICES_VIRTIO_CORE_VIRTIO_FEATURES_H_
#define TOUCHSTONE_DEVICES_VIRTIO_CORE_VIRTIO_FEATURES_H_

#include <cstdint>

#include "base/bits.h"

namespace touchstone {

inline constexpr uint64_t kVirtioIndirectDescriptors = Bit<uint64_t>(28);
inline constexpr uint64_t kVirtioEventIndex = Bit<uint64_t>(29);
inline constexpr uint64_t kVirtioVersion1 = Bit<uint64_t>(32);        // Not a legacy device.
inline constexpr uint64_t kVirtioAccessPlatform = Bit<uint64_t>(33);  // Addresses are translated.
inline constexpr uint64_t kVirtioPackedRing = Bit<uint64_t>(34);
inline constexpr uint64_t kVirtioRingReset = Bit<uint64_t>(40);  // Queues are reset one by one.

}  // namespace touchstone

#endif  // TOUCHSTONE_DEVICES_VIRTIO_CORE_VIRTIO_FEATURES_H_
