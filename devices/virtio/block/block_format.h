// What driver and block device exchange (Virtio 1.2, 5.2): feature bits, configuration, requests.
//
//   request:  | header 16 | data of a write or ranges | ... | data of a read | status 1 |
//             '----------- readable ------------------'     '------- writable ----------'

#ifndef TOUCHSTONE_DEVICES_VIRTIO_BLOCK_BLOCK_FORMAT_H_
#define TOUCHSTONE_DEVICES_VIRTIO_BLOCK_BLOCK_FORMAT_H_

#include <cstddef>
#include <cstdint>

#include "base/bits.h"
#include "base/endian.h"

namespace touchstone {

// The unit of positions and sizes in the protocol, whatever the block size (5.2.4).
inline constexpr uint64_t kBlockSector = 512;

// Feature bits (5.2.3), as masks.
inline constexpr uint64_t kBlockSegmentMax = Bit<uint64_t>(2);
inline constexpr uint64_t kBlockReadOnly = Bit<uint64_t>(5);
inline constexpr uint64_t kBlockBlockSize = Bit<uint64_t>(6);
inline constexpr uint64_t kBlockFlush = Bit<uint64_t>(9);
inline constexpr uint64_t kBlockConfigWriteback = Bit<uint64_t>(11);  // CONFIG_WCE
inline constexpr uint64_t kBlockMultiQueue = Bit<uint64_t>(12);
inline constexpr uint64_t kBlockDiscard = Bit<uint64_t>(13);
inline constexpr uint64_t kBlockWriteZeroes = Bit<uint64_t>(14);

// The configuration (5.2.4).
struct BlockConfigSpace {
  Le64 capacity;  // In sectors.
  Le32 size_max;
  Le32 seg_max;
  Le16 cylinders;
  uint8_t heads = 0;
  uint8_t sectors = 0;
  Le32 block_size;
  uint8_t physical_block_exponent = 0;
  uint8_t alignment_offset = 0;
  Le16 min_io_size;
  Le32 opt_io_size;
  uint8_t writeback = 0;
  uint8_t unused0 = 0;
  Le16 num_queues;
  Le32 max_discard_sectors;
  Le32 max_discard_segments;
  Le32 discard_sector_alignment;
  Le32 max_write_zeroes_sectors;
  Le32 max_write_zeroes_segments;
  uint8_t write_zeroes_may_unmap = 0;
  uint8_t unused1[3] = {};
};
static_assert(sizeof(BlockConfigSpace) == 60);
inline constexpr uint32_t kBlockWritebackOffset = offsetof(BlockConfigSpace, writeback);
static_assert(kBlockWritebackOffset == 32);

// Requests (5.2.6).
struct BlockHeader {
  Le32 type;
  Le32 reserved;
  Le64 sector;
};
static_assert(sizeof(BlockHeader) == 16);

enum class BlockRequestType : uint32_t {
  kIn = 0,
  kOut = 1,
  kFlush = 4,
  kGetId = 8,
  kDiscard = 11,
  kWriteZeroes = 13,
};

// The data of a discard and of a write-zeroes request: one or more of these.
struct BlockRange {
  Le64 sector;
  Le32 sectors;
  Le32 flags;
};
static_assert(sizeof(BlockRange) == 16);
inline constexpr uint32_t kBlockRangeUnmap = Bit<uint32_t>(0);

enum class BlockStatus : uint8_t {
  kOk = 0,
  kIoError = 1,
  kUnsupported = 2,
};

// The data of a get-id request: the id, padded with zeros; no zero at the end when it is full.
inline constexpr size_t kBlockIdSize = 20;

}  // namespace touchstone

#endif  // TOUCHSTONE_DEVICES_VIRTIO_BLOCK_BLOCK_FORMAT_H_
