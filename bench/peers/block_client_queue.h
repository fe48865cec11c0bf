// One queue of a BlockClient: the driver's side of a split ring, made to cost as little as it can.
//
// Thread-compatible.

#ifndef TOUCHSTONE_BENCH_PEERS_BLOCK_CLIENT_QUEUE_H_
#define TOUCHSTONE_BENCH_PEERS_BLOCK_CLIENT_QUEUE_H_

#include <cstdint>
#include <memory>
#include <vector>

#include "absl/status/statusor.h"
#include "base/endian.h"
#include "base/event_fd.h"
#include "base/memory/guest_array.h"
#include "base/memory/guest_memory.h"
#include "base/memory/guest_window.h"
#include "devices/virtio/core/queue_layout.h"

namespace touchstone {

class BlockClientQueue {
 public:
  // Virtio 1.2, 2.7.8.
  struct UsedElement {
    Le32 id;
    Le32 length;
  };

  static constexpr uint32_t kRequestSize = 4096;
  static constexpr uint32_t kRingSize = 128;
  static constexpr uint32_t kMaxDepth = kRingSize / 3;
  // Of guest memory, all of it.
  static constexpr uint64_t kMemory = uint64_t{1} << 20;

  // Works in [base, base + kMemory). `sectors` is the size of the disk; places are from a sequence
  // that begins with `seed`.
  static absl::StatusOr<std::unique_ptr<BlockClientQueue>> Create(const GuestMemory& memory,
                                                                  GuestAddress base,
                                                                  uint64_t sectors, uint64_t seed);

  [[nodiscard]] const QueueLayout& layout() const { return layout_; }
  [[nodiscard]] const std::shared_ptr<const EventFd>& kick() const { return kick_; }
  [[nodiscard]] const EventFd& call() const { return call_; }

  // Where the data of the request in slot `slot` is.
  [[nodiscard]] static uint64_t DataOffset(uint32_t slot) {
    return kData + uint64_t{slot} * kRequestSize;
  }

  // Requests from now on. REQUIRES: nothing is in flight.
  void Prepare(bool write, bool wants_calls);
  // Sends a request from `slot`, which is not in flight. Publish follows.
  void Send(uint32_t slot);
  // Lets the back end see what was sent, and kicks it if it wants that.
  void Publish();
  // Takes back what is done: calls again(slot) for each, returns how many.
  template <typename Again>
  uint64_t TakeBack(Again again);
  // Asks for a call when the next request is done. False when one is done already.
  bool AskForCall();

  [[nodiscard]] uint32_t in_flight() const { return in_flight_; }
  [[nodiscard]] uint64_t failed() const { return failed_; }
  [[nodiscard]] uint64_t kicks() const { return kicks_; }

 private:
  // In the range: the ring, headers, status bytes, data.
  static constexpr uint64_t kHeaders = 0x4000;
  static constexpr uint64_t kStatuses = 0x5000;
  static constexpr uint64_t kData = 0x10000;
  static constexpr uint32_t kHeaderSize = 16;
  static_assert(kData + kMaxDepth * kRequestSize <= kMemory);

  BlockClientQueue(QueueLayout layout, GuestWindow range, GuestArray<uint16_t> available,
                   GuestArray<UsedElement, 4> used, EventFd kick, EventFd call, uint64_t sectors,
                   uint64_t seed);

  [[nodiscard]] uint32_t OffsetOf(GuestAddress address) const {
    return static_cast<uint32_t>(address - base_);
  }
  void SetUsedEvent(uint16_t index) {
    range_.Store<uint16_t>(used_event_, index, std::memory_order_relaxed);
  }

  const QueueLayout layout_;
  const GuestAddress base_;
  const GuestWindow range_;
  const GuestArray<uint16_t> available_;
  const GuestArray<UsedElement, 4> used_;
  const std::shared_ptr<const EventFd> kick_;
  const EventFd call_;
  const uint64_t places_;
  // Offsets in the range.
  const uint32_t available_index_;
  const uint32_t used_event_;
  const uint32_t used_index_;
  const uint32_t available_event_;

  uint64_t random_;
  bool wants_calls_ = false;
  uint16_t next_available_ = 0;
  uint16_t published_ = 0;
  uint16_t next_used_ = 0;
  uint32_t in_flight_ = 0;
  uint64_t failed_ = 0;
  uint64_t kicks_ = 0;
};

template <typename Again>
uint64_t BlockClientQueue::TakeBack(Again again) {
  // Acquire: what the back end did before it published the index is seen.
  const uint16_t index = range_.Load<uint16_t>(used_index_, std::memory_order_acquire);
  const uint16_t count = static_cast<uint16_t>(index - next_used_);
  for (uint16_t i = 0; i < count; ++i) {
    const uint32_t head = used_.Read(next_used_++ & (kRingSize - 1)).id;
    const uint32_t slot = head / 3;
    if (slot >= kMaxDepth || range_.Read<uint8_t>(static_cast<uint32_t>(kStatuses) + slot) != 0) {
      ++failed_;
    }
    --in_flight_;
    if (slot < kMaxDepth) again(slot);
  }
  // Half the numbers away: what is published next passes it by.
  if (count > 0 && !wants_calls_) SetUsedEvent(static_cast<uint16_t>(next_used_ + 0x8000));
  return count;
}

}  // namespace touchstone

#endif  // TOUCHSTONE_BENCH_PEERS_BLOCK_CLIENT_QUEUE_H_
