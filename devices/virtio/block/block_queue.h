// The requests in flight of one queue of a block device, from the chain to its status byte.
//
// Data goes straight between guest memory and the BlockIo. Only when the disk wants aligned buffers
// and the driver's are not, it goes through a bounce buffer, a piece at a time; requests that find
// none free wait for one.
//
// A disk that was written to is flushed a minute later, if the driver has not done so by then.
//
// Ownership: everything is borrowed but the BlockIo, which is made at the first request. Threads:
// thread-compatible; belongs to the queue's loop while the queue runs.

#ifndef TOUCHSTONE_DEVICES_VIRTIO_BLOCK_BLOCK_QUEUE_H_
#define TOUCHSTONE_DEVICES_VIRTIO_BLOCK_BLOCK_QUEUE_H_

#include <atomic>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <vector>

#include "absl/base/attributes.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "base/event/event_loop.h"
#include "devices/virtio/block/block_format.h"
#include "devices/virtio/block/block_io.h"
#include "devices/virtio/block/block_request.h"
#include "devices/virtio/block/block_stats.h"
#include "devices/virtio/block/bounce_buffers.h"
#include "devices/virtio/core/virt_queue.h"

namespace touchstone {

class BlockQueue {
 public:
  static constexpr absl::Duration kFlushDelay = absl::Seconds(60);

  using MakeIo = std::function<absl::StatusOr<std::unique_ptr<BlockIo>>()>;

  // `sectors` is how many the disk has at any time. `completed` is called on the loop after chains
  // were completed there.
  BlockQueue(const BlockDisk& disk, const std::atomic<uint64_t>& sectors, BlockStats& stats,
             EventLoop& loop, MakeIo make_io, std::function<void()> completed);
  // Waits as Drain does.
  ~BlockQueue();
  BlockQueue(const BlockQueue&) = delete;
  BlockQueue& operator=(const BlockQueue&) = delete;

  // Starts on a request, or answers it at once. With `durable`, what it writes has to be on stable
  // storage before it completes.
  void Handle(ReadableChain chain, bool durable);
  // Sends off what Handle gathered, and completes what is done already.
  void Submit();
  // Completes all requests, and goes on.
  void Settle();
  // The same, and nothing more happens by itself. On any thread, while the loop calls nothing here.
  void Drain();

 private:
  struct Request {
    // One of them: the chain is readable while data of it goes out through a bounce buffer.
    std::optional<ReadableChain> source;
    std::optional<WritableChain> chain;
    BlockRequestType type = BlockRequestType::kIn;
    bool durable = false;
    uint32_t operations = 0;  // In flight.
    int error = 0;            // The first one.
    uint64_t offset = 0;      // Of what is left to transfer.
    uint64_t left = 0;
    BounceBuffers::Buffer bounce;
  };

  // The token of a flush that no driver asked for.
  static constexpr uint32_t kOwnFlush = ~uint32_t{0};

  bool HaveIo() { return (io_ != nullptr && completed_watch_.active()) || MakeReady(); }
  bool MakeReady();
  void Transfer(ReadableChain chain, const BlockRequest& parsed, bool durable);
  void Reserve(ReadableChain chain, const BlockRequest& parsed, bool durable);
  void StartBounce(uint32_t token);
  void NextPiece(uint32_t token);
  void AddRanges(uint32_t token, const BlockRequest& parsed);
  void Add(BlockOperation&& operation);

  // Completes what is done and goes on with what is not, until nothing more is done.
  void Reap();
  void Finished(const BlockCompletion& completion);
  // True when there is more to transfer.
  bool PieceDone(Request& request);
  void Answer(uint32_t token);
  void Wrote();

  // Slots that are free have neither chain nor error.
  uint32_t TakeSlot();
  ABSL_ATTRIBUTE_ALWAYS_INLINE WritableChain FreeSlot(uint32_t token);
  [[nodiscard]] bool Aligned(const GuestMemory::SliceList& slices) const;

  const BlockDisk& disk_;
  const std::atomic<uint64_t>& sectors_;
  BlockStats& stats_;
  EventLoop& loop_;
  const MakeIo make_io_;
  const std::function<void()> completed_;

  std::unique_ptr<BlockIo> io_;
  std::vector<Request> requests_;  // By token; those without a chain are free.
  std::vector<uint32_t> free_;
  uint32_t in_flight_ = 0;  // Operations.
  bool added_ = false;      // Operations since Submit.
  BounceBuffers bounces_;
  std::deque<uint32_t> waiting_;  // For a bounce buffer.
  std::vector<BlockCompletion> completions_;
  Watch completed_watch_;
  Watch flush_timer_;
  bool flush_due_ = false;
};

}  // namespace touchstone

#endif  // TOUCHSTONE_DEVICES_VIRTIO_BLOCK_BLOCK_QUEUE_H_
