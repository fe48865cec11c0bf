// Reads the header of a request, and for discard and write-zeroes its ranges, and checks them
// against the disk (Virtio 1.2, 5.2.6). What comes out is within the disk.

#ifndef TOUCHSTONE_DEVICES_VIRTIO_BLOCK_BLOCK_REQUEST_H_
#define TOUCHSTONE_DEVICES_VIRTIO_BLOCK_BLOCK_REQUEST_H_

#include <cstdint>
#include <string>

#include "absl/container/inlined_vector.h"
#include "devices/virtio/block/block_format.h"
#include "devices/virtio/core/virt_queue.h"

namespace touchstone {

// Queues of a disk (crosvm.md 5.3).
inline constexpr uint16_t kBlockQueues = 16;
inline constexpr uint16_t kBlockQueueSize = 256;

// What the driver is told about the disk.
struct BlockDisk {
  uint64_t sectors = 0;  // At first (Block::Resize).
  uint32_t block_size = 512;
  bool read_only = false;
  // Space that is discarded is given back to the host.
  bool sparse = true;
  bool packed_ring = false;
  uint16_t queues = kBlockQueues;
  uint16_t queue_size = kBlockQueueSize;  // Entries that a queue has at most.
  // At most kBlockIdSize bytes; empty: the disk has none.
  std::string id;
  // What addresses and lengths of buffers have to be multiples of, powers of two; buffers that are
  // not are copied.
  uint32_t address_alignment = 1;
  uint32_t length_alignment = 1;
};

inline constexpr uint32_t kMaxBlockRanges = 32;

struct BlockRequest {
  struct Range {
    uint64_t offset = 0;
    uint64_t size = 0;
    bool may_unmap = false;
  };

  BlockRequestType type = BlockRequestType::kIn;
  // The data of kIn and kOut, in bytes.
  uint64_t offset = 0;
  uint64_t size = 0;
  // Of kDiscard and kWriteZeroes.
  absl::InlinedVector<Range, 1> ranges;
};

// Returns kOk, with the data of a write next to be read from `chain`, or what the driver is to be
// told. `sectors` is what the disk has now.
BlockStatus ParseBlockRequest(const BlockDisk& disk, uint64_t sectors, ReadableChain& chain,
                              BlockRequest& request);

}  // namespace touchstone

#endif  // TOUCHSTONE_DEVICES_VIRTIO_BLOCK_BLOCK_REQUEST_H_
