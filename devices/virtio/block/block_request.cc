#include "devices/virtio/block/block_request.h"

#include "absl/status/statusor.h"
#include "base/checked_math.h"

namespace touchstone {
namespace {

// Virtio 1.2, 5.2.6.2: what is beyond the capacity is an error. Nothing here overflows: a disk has
// less than 2^55 sectors.
bool OnDisk(uint64_t sectors, uint64_t sector, uint64_t size) {
  return size % kBlockSector == 0 && FitsWithin(sector, size / kBlockSector, sectors);
}

BlockStatus ParseTransfer(uint64_t sectors, uint64_t sector, uint64_t size, BlockRequest& request) {
  if (!OnDisk(sectors, sector, size)) return BlockStatus::kIoError;
  request.offset = sector * kBlockSector;
  request.size = size;
  return BlockStatus::kOk;
}

BlockStatus ParseRanges(uint64_t sectors, ReadableChain& chain, BlockRequest& request) {
  const uint64_t size = chain.readable();
  if (size == 0 || size % sizeof(BlockRange) != 0 || size / sizeof(BlockRange) > kMaxBlockRanges) {
    return BlockStatus::kIoError;
  }
  // 5.2.6.2: unknown flags are UNSUPP, and so is unmap of a discard.
  const uint32_t flags = request.type == BlockRequestType::kWriteZeroes ? kBlockRangeUnmap : 0;
  while (chain.readable() > 0) {
    const absl::StatusOr<BlockRange> range = chain.ReadObject<BlockRange>();
    if (!range.ok()) return BlockStatus::kIoError;
    if ((range->flags & ~flags) != 0) return BlockStatus::kUnsupported;
    const uint64_t bytes = range->sectors * kBlockSector;
    if (!OnDisk(sectors, range->sector, bytes)) return BlockStatus::kIoError;
    if (bytes == 0) continue;
    request.ranges.push_back({.offset = range->sector * kBlockSector,
                              .size = bytes,
                              .may_unmap = (range->flags & kBlockRangeUnmap) != 0});
  }
  return BlockStatus::kOk;
}

}  // namespace

BlockStatus ParseBlockRequest(const BlockDisk& disk, uint64_t sectors, ReadableChain& chain,
                              BlockRequest& request) {
  const absl::StatusOr<BlockHeader> header = chain.ReadObject<BlockHeader>();
  // The last writable byte is the status; without it there is nobody to answer.
  if (!header.ok() || chain.writable() == 0) return BlockStatus::kIoError;
  const uint64_t room = chain.writable() - 1;
  request.type = static_cast<BlockRequestType>(header->type.get());
  switch (request.type) {
    case BlockRequestType::kIn:
      return ParseTransfer(sectors, header->sector, room, request);
    case BlockRequestType::kGetId:
      return disk.id.empty() ? BlockStatus::kUnsupported : BlockStatus::kOk;
    // 5.2.6.2: on a read-only disk writes are IOERR, and nothing is written.
    case BlockRequestType::kOut:
      if (disk.read_only) return BlockStatus::kIoError;
      return ParseTransfer(sectors, header->sector, chain.readable(), request);
    case BlockRequestType::kFlush:
      return disk.read_only ? BlockStatus::kIoError : BlockStatus::kOk;
    case BlockRequestType::kDiscard:
    case BlockRequestType::kWriteZeroes:
      if (disk.read_only) return BlockStatus::kIoError;
      return ParseRanges(sectors, chain, request);
  }
  return BlockStatus::kUnsupported;
}

}  // namespace touchstone
