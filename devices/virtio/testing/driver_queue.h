// The driver's side of one virtqueue, done right: split or packed, direct or indirect chains,
// buffers found in guest memory.
//
//   DriverQueue driver(memory, {.start = GuestAddress{0x10000}, .size = 0x10000}, 8, features);
//   const uint16_t id = driver.Chain().Readable({1, 2, 3}).Writable(16).Send();
//   ...                                       // The device works.
//   std::optional<DriverQueue::Used> used = driver.PollUsed();   // used->id == id
//
// Running out of descriptors or memory is the test's mistake and CHECKs. Thread-compatible.

#ifndef TOUCHSTONE_DEVICES_VIRTIO_TESTING_DRIVER_QUEUE_H_
#define TOUCHSTONE_DEVICES_VIRTIO_TESTING_DRIVER_QUEUE_H_

#include <cstdint>
#include <map>
#include <optional>
#include <vector>

#include "absl/types/span.h"
#include "base/memory/guest_memory.h"
#include "devices/virtio/core/queue_layout.h"
#include "devices/virtio/testing/raw_packed_ring.h"
#include "devices/virtio/testing/raw_split_ring.h"

namespace touchstone {

class DriverQueue {
 public:
  // A chain that came back.
  struct Used {
    uint16_t id = 0;
    uint32_t length = 0;        // What the device says it wrote.
    std::vector<uint8_t> data;  // All of the writable buffers.
  };

  class Builder {
   public:
    // A buffer with these bytes.
    Builder& Readable(absl::Span<const uint8_t> bytes);
    Builder& Readable(std::initializer_list<uint8_t> bytes) {
      return Readable(absl::MakeConstSpan(bytes.begin(), bytes.size()));
    }
    // A buffer of so many zeros.
    Builder& Writable(uint32_t size);
    // Puts the descriptors into a table of their own. REQUIRES: the feature was negotiated.
    Builder& Indirect();
    // Makes the chain available, and returns its id.
    uint16_t Send();

   private:
    friend class DriverQueue;
    struct Buffer {
      GuestAddress address{};
      uint32_t size = 0;
      bool writable = false;
    };
    explicit Builder(DriverQueue& queue) : queue_(queue) {}

    DriverQueue& queue_;
    std::vector<Buffer> buffers_;
    bool indirect_ = false;
  };

  // The ring is at the start of `range`, the buffers behind it.
  DriverQueue(GuestMemory memory, GuestMemory::RegionSpec range, uint32_t size, uint64_t features);

  [[nodiscard]] const QueueLayout& layout() const {
    return packed_ ? packed_ring_.layout() : split_ring_.layout();
  }

  Builder Chain() { return Builder(*this); }
  // The next chain that the device returned. CHECKs that it is one that was sent.
  std::optional<Used> PollUsed();
  // Whether the device wants a kick for what was sent since the last call.
  bool NeedsKick();
  // Asks for interrupts, or not. With EVENT_IDX: for the next chain that comes back.
  void EnableSignals(bool enable);

  // Descriptors that can be sent now.
  [[nodiscard]] uint32_t room() const { return room_; }
  [[nodiscard]] uint32_t in_flight() const { return static_cast<uint32_t>(sent_.size()); }

 private:
  struct Sent {
    std::vector<Builder::Buffer> buffers;
    std::optional<GuestAddress> table;
    std::vector<uint16_t> descriptors;  // Of the ring; of a packed ring their number counts.
  };

  GuestAddress Allocate(uint64_t size);
  void Release(const Sent& sent);
  uint16_t Send(const Builder& builder);
  GuestAddress WriteTable(const Builder& builder);
  uint16_t SendSplit(Sent& sent);
  uint16_t SendPacked(Sent& sent);
  std::optional<Used> PollSplit();
  std::optional<Used> PollPacked();
  Used Finish(uint16_t id, uint32_t length);

  const GuestMemory memory_;
  const uint64_t heap_end_;
  const uint32_t size_;
  const bool packed_;
  const bool event_index_;
  RawSplitRing split_ring_;
  RawPackedRing packed_ring_;
  std::map<uint64_t, uint64_t> allocated_;  // Address to size.
  uint64_t heap_start_;
  std::map<uint16_t, Sent> sent_;
  std::vector<uint16_t> free_;  // Descriptors of a split ring, ids of a packed one.
  uint32_t room_;
  // Positions: free-running in a split ring, below the size in a packed one.
  uint16_t next_available_ = 0;
  uint16_t next_used_ = 0;
  bool available_wrap_ = true;
  bool used_wrap_ = true;
  uint32_t added_ = 0;  // Entries since NeedsKick was last asked.
};

}  // namespace touchstone

#endif  // TOUCHSTONE_DEVICES_VIRTIO_TESTING_DRIVER_QUEUE_H_
