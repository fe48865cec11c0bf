// Requests of a block device's driver, as bytes, for tests, fuzzers and benchmarks.

#ifndef TOUCHSTONE_DEVICES_VIRTIO_BLOCK_BLOCK_TESTING_H_
#define TOUCHSTONE_DEVICES_VIRTIO_BLOCK_BLOCK_TESTING_H_

#include <cstdint>
#include <initializer_list>
#include <vector>

#include "devices/virtio/block/block_format.h"

namespace touchstone {

template <typename T>
std::vector<uint8_t> BytesOf(const T& object) {
  const auto* const bytes = reinterpret_cast<const uint8_t*>(&object);
  return std::vector<uint8_t>(bytes, bytes + sizeof(T));
}

inline std::vector<uint8_t> HeaderBytes(BlockRequestType type, uint64_t sector = 0) {
  BlockHeader header;
  header.type = static_cast<uint32_t>(type);
  header.sector = sector;
  return BytesOf(header);
}

inline std::vector<uint8_t> RangeBytes(std::initializer_list<BlockRange> ranges) {
  std::vector<uint8_t> bytes;
  for (const BlockRange& range : ranges) {
    const std::vector<uint8_t> one = BytesOf(range);
    bytes.insert(bytes.end(), one.begin(), one.end());
  }
  return bytes;
}

}  // namespace touchstone

#endif  // TOUCHSTONE_DEVICES_VIRTIO_BLOCK_BLOCK_TESTING_H_
