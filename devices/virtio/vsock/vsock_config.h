// What the socket device shows of itself, whoever works on its queues.

#ifndef TOUCHSTONE_DEVICES_VIRTIO_VSOCK_VSOCK_CONFIG_H_
#define TOUCHSTONE_DEVICES_VIRTIO_VSOCK_VSOCK_CONFIG_H_

#include <algorithm>
#include <cstdint>
#include <cstring>

#include "absl/types/span.h"
#include "base/endian.h"

namespace touchstone {

inline constexpr uint32_t kVsockDeviceId = 19;

// The configuration (Virtio 1.2, 5.10.4): guest_cid, 8 bytes.
inline void ReadVsockConfig(uint64_t guest_cid, uint32_t offset, absl::Span<uint8_t> data) {
  const Le64 config = guest_cid;
  if (offset >= sizeof(config)) return;
  const size_t size = std::min<size_t>(data.size(), sizeof(config) - offset);
  if (size > 0) memcpy(data.data(), reinterpret_cast<const uint8_t*>(&config) + offset, size);
}

}  // namespace touchstone

#endif  // TOUCHSTONE_DEVICES_VIRTIO_VSOCK_VSOCK_CONFIG_H_
