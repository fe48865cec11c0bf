#include "devices/virtio/block/block.h"

#include <string.h>

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/log.h"
#include "devices/virtio/block/block_state.pb.h"
#include "devices/virtio/core/virtio_features.h"

namespace touchstone {
namespace {

constexpr uint32_t kStateVersion = 1;

// Looks in vain, one after the other, after which there are no fewer: one in 1024 batches.
constexpr uint32_t kMaxInVain = 10;

uint64_t Features(const BlockDisk& disk) {
  uint64_t features =
      kVirtioIndirectDescriptors | kBlockSegmentMax | kBlockBlockSize | kBlockMultiQueue;
  if (disk.packed_ring) features |= kVirtioPackedRing;
  if (disk.read_only) return features | kBlockReadOnly;
  features |= kBlockFlush | kBlockConfigWriteback | kBlockWriteZeroes;
  return disk.sparse ? features | kBlockDiscard : features;
}

BlockConfigSpace ConfigSpace(const BlockDisk& disk, uint64_t sectors) {
  BlockConfigSpace config;
  config.capacity = sectors;
  config.seg_max = Block::kMaxSegments;
  config.block_size = disk.block_size;
  config.num_queues = disk.queues;
  config.max_discard_sectors = ~uint32_t{0};
  config.max_discard_segments = kMaxBlockRanges;
  config.discard_sector_alignment = 128;
  config.max_write_zeroes_sectors = ~uint32_t{0};
  config.max_write_zeroes_segments = kMaxBlockRanges;
  config.write_zeroes_may_unmap = 1;
  return config;
}

}  // namespace

Block::Block(EventLoop& loop, BlockDisk disk, const MakeIo& make_io,
             std::vector<EventLoop*> more_loops)
    : QueueDevice({.device_id = kDeviceId,
                   .queue_sizes = std::vector<uint16_t>(disk.queues, disk.queue_size),
                   .features = Features(disk)},
                  loop),
      disk_(std::move(disk)),
      sectors_(disk_.sectors),
      more_loops_(std::move(more_loops)),
      old_requests_(std::make_unique<std::atomic<bool>[]>(disk_.queues)) {
  CHECK(disk_.queues >= 1 && disk_.id.size() <= kBlockIdSize);
  queues_.reserve(disk_.queues);
  looks_.resize(disk_.queues);
  for (uint16_t queue = 0; queue < disk_.queues; ++queue) {
    queues_.push_back(std::make_unique<BlockQueue>(
        disk_, sectors_, stats_, LoopOf(queue), [make_io, queue] { return make_io(queue); },
        [this, queue] { Flush(queue); }));
  }
}

Block::~Block() = default;

void Block::ReadConfig(uint32_t offset, absl::Span<uint8_t> data) {
  BlockConfigSpace config = ConfigSpace(disk_, sectors());
  config.writeback = writeback() ? 1 : 0;
  if (offset >= sizeof(config)) return;
  const size_t size = std::min(data.size(), sizeof(config) - offset);
  memcpy(data.data(), reinterpret_cast<const uint8_t*>(&config) + offset, size);
}

void Block::WriteConfig(uint32_t offset, absl::Span<const uint8_t> data) {
  if (offset > kBlockWritebackOffset || data.size() <= kBlockWritebackOffset - offset) return;
  // Virtio 1.2, 5.2.5.1: the driver MUST NOT write it without CONFIG_WCE, nor anything but 0 and 1.
  // A read-only disk has no cache mode.
  const uint8_t value = data[kBlockWritebackOffset - offset];
  if (value <= 1 && !disk_.read_only) writeback_.store(value == 1, std::memory_order_relaxed);
}

bool Block::writeback() const { return writeback_.load(std::memory_order_relaxed); }

absl::StatusOr<std::string> Block::Save() {
  BlockState state;
  state.set_version(kStateVersion);
  state.set_sectors(sectors());
  state.set_writeback(writeback());
  return state.SerializeAsString();
}

absl::Status Block::Restore(absl::string_view state) {
  BlockState parsed;
  // Serializing again finds what is missing, unknown or given twice.
  if (!parsed.ParseFromArray(state.data(), static_cast<int>(state.size())) ||
      !parsed.unknown_fields().empty() || !parsed.has_writeback() ||
      parsed.SerializeAsString() != state) {
    return absl::InvalidArgumentError("not the state of a block device");
  }
  if (parsed.version() != kStateVersion) {
    return absl::InvalidArgumentError(absl::StrCat("state of a block device of version ",
                                                   parsed.version(), ", not ", kStateVersion));
  }
  if (parsed.sectors() != sectors()) {
    return absl::InvalidArgumentError(absl::StrCat("the disk has ", sectors(), " sectors, not ",
                                                   parsed.sectors(),
                                                   " as when the state was saved"));
  }
  if (disk_.read_only && !parsed.writeback()) {
    return absl::InvalidArgumentError("a read-only disk has no cache mode");
  }
  writeback_.store(parsed.writeback(), std::memory_order_relaxed);
  return absl::OkStatus();
}

EventLoop& Block::LoopOf(uint16_t queue) {
  return queue == 0 || queue > more_loops_.size() ? loop() : *more_loops_[queue - 1];
}

void Block::Handle(uint16_t queue, ReadableChain chain) {
  // Virtio 1.2, 5.2.6.2: with CONFIG_WCE the field decides about the cache; without it, a driver
  // that does not know FLUSH gets write-through.
  const uint64_t features = driver().features;
  const bool volatile_cache =
      (features & kBlockConfigWriteback) != 0 ? writeback() : (features & kBlockFlush) != 0;
  queues_[queue]->Handle(std::move(chain), !volatile_cache);
}

void Block::Resize(uint64_t sectors, EventLoop::Callback done) {
  // Release, with the marks: a queue that sees its mark sees the new size too.
  const uint64_t before = sectors_.exchange(sectors, std::memory_order_release);
  SignalConfig();
  if (sectors >= before) return done();
  for (uint16_t queue = 0; queue < disk_.queues; ++queue) {
    old_requests_[queue].store(true, std::memory_order_release);
  }
  waiting_.push_back(std::move(done));
  AwaitOldRequests();
}

void Block::AwaitOldRequests() {
  settle_timer_.Reset();
  for (uint16_t queue = 0; queue < disk_.queues; ++queue) {
    // Acquire: what the queue's thread did for its requests happened before.
    if (!old_requests_[queue].load(std::memory_order_acquire)) continue;
    // One that does not run has none any more.
    if (!Resume(queue)) {
      old_requests_[queue].store(false, std::memory_order_relaxed);
      continue;
    }
    settle_timer_ = loop().After(kSettlePoll, [this] { AwaitOldRequests(); });
    return;
  }
  for (EventLoop::Callback& done : std::exchange(waiting_, {})) done();
}

void Block::EndBatch(uint16_t queue) {
  queues_[queue]->Submit();
  // Acquire: pairs with Resize.
  if (!old_requests_[queue].load(std::memory_order_acquire)) return;
  queues_[queue]->Settle();
  old_requests_[queue].store(false, std::memory_order_release);
}

bool Block::LooksAgain(uint16_t queue, int served) {
  if (window_ == absl::ZeroDuration() || !DriverPolls(queue)) return false;
  Look& look = looks_[queue];
  if (served > 0) {
    if (look.active) {
      look.in_vain = 0;
    } else if (look.skip > 0) {
      --look.skip;
      return false;
    }
    look.active = true;
  } else if (!look.active) {
    return false;
  }
  const absl::Duration now = clock_->Monotonic();
  if (served > 0) look.last_request = now;
  if (now - look.last_request > window_) {
    look.active = false;
    look.in_vain = std::min(look.in_vain + 1, kMaxInVain);
    look.skip = (1u << look.in_vain) - 1;
    return false;
  }
  Resume(queue);
  return true;
}

void Block::Drain(uint16_t queue) {
  queues_[queue]->Drain();
  old_requests_[queue].store(false, std::memory_order_release);
}

void Block::OnReset() { writeback_.store(true, std::memory_order_relaxed); }

}  // namespace touchstone
