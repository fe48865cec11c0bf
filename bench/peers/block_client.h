// A driver of a vhost-user block device, in this process: loads its rings with 4 KiB requests at
// random places and counts how fast they come back. Knows nothing of who the back end is.
//
//   ASSIGN_OR_RETURN(const auto client, BlockClient::Create(std::move(socket), /*queues=*/1));
//   ASSIGN_OR_RETURN(const BlockClient::Result result,
//                    client->Run({.depth = 32, .duration = absl::Seconds(1)}));
//
// One thread, the caller's, drives all queues; the rings are split ones with EVENT_IDX. A request
// is three descriptors in the ring: header, data, status.
//
// Thread-compatible.

#ifndef TOUCHSTONE_BENCH_PEERS_BLOCK_CLIENT_H_
#define TOUCHSTONE_BENCH_PEERS_BLOCK_CLIENT_H_

#include <cstdint>
#include <memory>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "base/event/epoll_loop.h"
#include "base/memory/guest_memory.h"
#include "base/scoped_fd.h"
#include "bench/peers/block_client_queue.h"
#include "devices/virtio/core/virtio_interrupt.h"
#include "devices/virtio/vhost_user/frontend.h"

namespace touchstone {

class BlockClient {
 public:
  enum class Wait {
    kEvent,  // As guests do: sleeps until the back end calls.
    kPoll,   // Looks at the rings all the time, and asks for no call.
  };

  struct Load {
    bool write = false;
    uint32_t depth = 1;  // Requests in flight in each queue; at most BlockClientQueue::kMaxDepth.
    Wait wait = Wait::kEvent;
    // Ends when either has passed, and what is in flight has come back.
    uint64_t operations = ~uint64_t{0};
    absl::Duration duration = absl::InfiniteDuration();
  };

  struct Result {
    uint64_t operations = 0;
    absl::Duration elapsed;
    uint64_t kicks = 0;  // Sent to the back end.
    uint64_t calls = 0;  // Times that the client was woken by it.
  };

  // Takes a connected stream socket. FailedPrecondition when the back end has fewer queues, or its
  // disk less than a request; errors of the front end name the message.
  static absl::StatusOr<std::unique_ptr<BlockClient>> Create(ScopedFd socket, uint16_t queues);
  ~BlockClient();
  BlockClient(const BlockClient&) = delete;
  BlockClient& operator=(const BlockClient&) = delete;

  // DataLoss when a request failed, DeadlineExceeded when nothing came back for ten seconds.
  absl::StatusOr<Result> Run(const Load& load);

  // What the back end sees: for tests. Queue n is at (n + 1) * BlockClientQueue::kMemory.
  [[nodiscard]] const GuestMemory& memory() const { return memory_; }

 private:
  // The back end signals the queues' own descriptors.
  class Interrupt final : public VirtioInterrupt {
   public:
    explicit Interrupt(std::vector<std::unique_ptr<BlockClientQueue>>& queues) : queues_(queues) {}
    void SignalQueue(uint16_t index) override { queues_[index]->call().Signal(); }
    void SignalConfig() override {}
    void QueueBroken(uint16_t /*index*/) override {}
    void WatchTrigger(uint16_t index, const TriggerWatch& watch) override {
      if (watch) watch(&queues_[index]->call());
    }

   private:
    std::vector<std::unique_ptr<BlockClientQueue>>& queues_;
  };

  BlockClient(std::unique_ptr<EpollLoop> loop, GuestMemory memory)
      : loop_(std::move(loop)), memory_(std::move(memory)), interrupt_(queues_) {}

  absl::Status SetUp(ScopedFd socket, uint16_t queues);
  // Takes back what is done and sends as many again, while `more`; returns how many came back.
  uint64_t Turn(bool more);
  // Sleeps until a queue calls; DeadlineExceeded when none does.
  absl::Status Sleep(uint64_t& calls);

  const std::unique_ptr<EpollLoop> loop_;
  const GuestMemory memory_;
  std::vector<std::unique_ptr<BlockClientQueue>> queues_;
  Interrupt interrupt_;
  std::unique_ptr<VhostUserFrontend> frontend_;
};

}  // namespace touchstone

#endif  // TOUCHSTONE_BENCH_PEERS_BLOCK_CLIENT_H_
