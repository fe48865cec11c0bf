// The block device (Virtio 1.2, 5.2): a disk of sectors over a BlockIo for each queue.
//
//   Block block(loop, {.sectors = 2048, .id = "DISK1"}, [&](uint16_t) { return MakeUring(...); });
//
// Offered: as many queues as the disk wants, SEG_MAX, BLK_SIZE, MQ, indirect descriptors, packed
// rings if wanted; RO, or FLUSH, CONFIG_WCE, WRITE_ZEROES and, on sparse disks, DISCARD. Data that
// the driver did not flush may be in caches of the host unless the driver chose write-through
// (5.2.5.2): then each write is on stable storage when it completes.
//
// What a driver does wrong is answered with IOERR or UNSUPP and counted; so is what the host cannot
// do. The state is the cache mode.
//
// The disk may get larger or smaller while it is used (Resize): the driver is told, and requests
// that began before finish within the old size.
//
// Threads: as QueueDevice. With several loops the queues are spread over them.

#ifndef TOUCHSTONE_DEVICES_VIRTIO_BLOCK_BLOCK_H_
#define TOUCHSTONE_DEVICES_VIRTIO_BLOCK_BLOCK_H_

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "base/clock.h"
#include "base/event/event_loop.h"
#include "devices/virtio/block/block_io.h"
#include "devices/virtio/block/block_queue.h"
#include "devices/virtio/block/block_request.h"
#include "devices/virtio/block/block_stats.h"
#include "devices/virtio/core/queue_device.h"

namespace touchstone {

class Block final : public QueueDevice {
 public:
  static constexpr uint32_t kDeviceId = 2;
  static constexpr uint16_t kQueueSize = kBlockQueueSize;
  // Buffers of a request; with header and status they fill a queue of that size.
  static constexpr uint32_t kMaxSegments = kQueueSize - 2;

  // Makes what a queue works with, at its first request and on its loop. An error fails the
  // request; the next one tries again.
  using MakeIo = std::function<absl::StatusOr<std::unique_ptr<BlockIo>>(uint16_t queue)>;

  // Queue n is served by more_loops[n - 1], as long as there are so many, and by `loop` otherwise.
  // REQUIRES: disk.queues >= 1, an id of at most kBlockIdSize bytes.
  Block(EventLoop& loop, BlockDisk disk, const MakeIo& make_io,
        std::vector<EventLoop*> more_loops = {});
  ~Block() override;

  // While the driver looks for answers by itself, queues are looked at for so long after the last
  // request before a kick is asked for: wakes nobody, and costs a processor that is better another
  // than the driver's. After each time in vain it is done half as often. Not done unless this is
  // called. REQUIRES: no queue runs.
  void LookFor(absl::Duration window, Clock& clock) {
    window_ = window;
    clock_ = &clock;
  }

  // Requests from now on are within so many sectors, and the driver hears of it. `done` is called
  // when no request beyond them is at work any more. On the loop's thread.
  void Resize(uint64_t sectors, EventLoop::Callback done);
  [[nodiscard]] uint64_t sectors() const { return sectors_.load(std::memory_order_acquire); }

  void ReadConfig(uint32_t offset, absl::Span<uint8_t> data) override;
  void WriteConfig(uint32_t offset, absl::Span<const uint8_t> data) override;

  absl::StatusOr<std::string> Save() override;
  absl::Status Restore(absl::string_view state) override;

  [[nodiscard]] const BlockStats& stats() const { return stats_; }
  [[nodiscard]] const BlockDisk& disk() const { return disk_; }

 private:
  void Handle(uint16_t queue, ReadableChain chain) override;
  void EndBatch(uint16_t queue) override;
  EventLoop& LoopOf(uint16_t queue) override;
  bool LooksAgain(uint16_t queue, int served) override;
  void Drain(uint16_t queue) override;
  void OnReset() override;

  // Looking at a queue that is empty.
  struct Look {
    bool active = false;
    absl::Duration last_request;
    uint32_t in_vain = 0;  // Windows that passed, since one did not.
    uint32_t skip = 0;     // Times not to look that are left.
  };

  [[nodiscard]] bool writeback() const;
  // Calls those that wait for old requests, once there are none.
  void AwaitOldRequests();

  static constexpr absl::Duration kSettlePoll = absl::Milliseconds(1);

  const BlockDisk disk_;
  std::atomic<uint64_t> sectors_;
  const std::vector<EventLoop*> more_loops_;
  BlockStats stats_;
  std::atomic<bool> writeback_ = true;
  absl::Duration window_;
  Clock* clock_ = nullptr;
  std::vector<std::unique_ptr<BlockQueue>> queues_;
  std::vector<Look> looks_;  // By queue.
  // By queue: requests may be in flight that were checked against another size.
  const std::unique_ptr<std::atomic<bool>[]> old_requests_;
  // On the loop.
  std::vector<EventLoop::Callback> waiting_;
  Watch settle_timer_;
};

}  // namespace touchstone

#endif  // TOUCHSTONE_DEVICES_VIRTIO_BLOCK_BLOCK_H_
