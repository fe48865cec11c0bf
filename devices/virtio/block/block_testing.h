// The block device over disks in memory, and its requests, as bytes and as kits, for suites,
// fuzzers and benchmarks.
//
// HostEvent of the kits, by kind:
//
//   0  what waits is carried out      3  every operation fails from now on
//   1  operations wait from now on    4  no more queues can be served
//   2  they do not, any more          5  the host is well again (from 3 and 4)
//   6  the disk gets as many sectors as the first byte says, but not more than at first

#ifndef TOUCHSTONE_DEVICES_VIRTIO_BLOCK_BLOCK_TESTING_H_
#define TOUCHSTONE_DEVICES_VIRTIO_BLOCK_BLOCK_TESTING_H_

#include <cstdint>
#include <initializer_list>
#include <vector>

#include "base/event/manual_loop.h"
#include "devices/virtio/block/block.h"
#include "devices/virtio/block/block_format.h"
#include "devices/virtio/block/block_request.h"
#include "devices/virtio/block/fake_block_io.h"
#include "devices/virtio/testing/device_kit.h"

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

// A disk whose sectors are filled with their numbers, and the device over it.
// REQUIRES: disk.sectors == kSectors.
class BlockUnderTest final : public TestDevice {
 public:
  static constexpr uint64_t kSectors = 32;

  // With `slow`, operations wait for an event.
  BlockUnderTest(ManualLoop& loop, BlockDisk disk, bool slow);

  [[nodiscard]] VirtioDevice& device() override { return block_; }
  void HostEvent(uint8_t kind, absl::Span<const uint8_t> bytes) override;

 private:
  void Resize(uint64_t sectors);

  FakeDisk disk_;
  bool resizing_ = false;
  Block block_;
};

// A disk that answers at once; one that answers at an event; one that wants aligned buffers, so
// that most are copied; one that is only read, and has no id. With 1 to 3 queues.
DeviceKit BlockKit(uint16_t queues = 3);
DeviceKit BlockSlowKit(uint16_t queues = 3);
DeviceKit BlockAlignedKit(uint16_t queues = 3);
DeviceKit BlockReadOnlyKit(uint16_t queues = 3);

}  // namespace touchstone

#endif  // TOUCHSTONE_DEVICES_VIRTIO_BLOCK_BLOCK_TESTING_H_
