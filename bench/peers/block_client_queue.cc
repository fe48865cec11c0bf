#include "bench/peers/block_client_queue.h"

#include <atomic>
#include <utility>

#include "base/status.h"
#include "devices/virtio/block/block_format.h"
#include "devices/virtio/testing/raw_split_ring.h"

namespace touchstone {
namespace {

// Of the driver and the device area (Virtio 1.2, 2.7.6 and 2.7.8); the ring follows, and after it
// an event index.
constexpr uint32_t kSplitRingIndex = 2;
constexpr uint32_t kSplitRingHeader = 4;

}  // namespace

absl::StatusOr<std::unique_ptr<BlockClientQueue>> BlockClientQueue::Create(
    const GuestMemory& memory, GuestAddress base, uint64_t sectors, uint64_t seed) {
  if (sectors < kRequestSize / kBlockSector) {
    return absl::FailedPreconditionError("the disk is smaller than a request");
  }
  const QueueLayout layout = RawSplitRing::LayoutAt(base, kRingSize);
  ASSIGN_OR_RETURN(GuestWindow range, GuestWindow::Create(memory, base, kMemory, 16));
  ASSIGN_OR_RETURN(auto available, GuestArray<uint16_t>::Create(
                                       memory, layout.driver + kSplitRingHeader, kRingSize));
  ASSIGN_OR_RETURN(auto used, (GuestArray<UsedElement, 4>::Create(
                                  memory, layout.device + kSplitRingHeader, kRingSize)));
  ASSIGN_OR_RETURN(EventFd kick, EventFd::Create());
  ASSIGN_OR_RETURN(EventFd call, EventFd::Create());
  return std::unique_ptr<BlockClientQueue>(
      new BlockClientQueue(layout, std::move(range), std::move(available), std::move(used),
                           std::move(kick), std::move(call), sectors, seed));
}

BlockClientQueue::BlockClientQueue(QueueLayout layout, GuestWindow range,
                                   GuestArray<uint16_t> available, GuestArray<UsedElement, 4> used,
                                   EventFd kick, EventFd call, uint64_t sectors, uint64_t seed)
    : layout_(layout),
      base_(layout.descriptors),
      range_(std::move(range)),
      available_(std::move(available)),
      used_(std::move(used)),
      kick_(std::make_shared<const EventFd>(std::move(kick))),
      call_(std::move(call)),
      places_(sectors / (kRequestSize / kBlockSector)),
      available_index_(OffsetOf(layout.driver) + kSplitRingIndex),
      used_event_(OffsetOf(layout.driver) + kSplitRingHeader + 2 * kRingSize),
      used_index_(OffsetOf(layout.device) + kSplitRingIndex),
      available_event_(OffsetOf(layout.device) + kSplitRingHeader + 8 * kRingSize),
      random_(seed * 2 + 1) {}

void BlockClientQueue::Prepare(bool write, bool wants_calls) {
  wants_calls_ = wants_calls;
  SetUsedEvent(wants_calls ? next_used_ : static_cast<uint16_t>(next_used_ + 0x8000));
  const auto type = write ? BlockRequestType::kOut : BlockRequestType::kIn;
  for (uint32_t slot = 0; slot < kMaxDepth; ++slot) {
    const uint32_t head = 3 * slot;
    const uint64_t header = kHeaders + uint64_t{slot} * kHeaderSize;
    range_.Write(static_cast<uint32_t>(header),
                 BlockHeader{.type = static_cast<uint32_t>(type), .reserved = 0u, .sector = 0u});
    const auto set = [this](uint32_t index, const SplitDescriptor& descriptor) {
      range_.Write(OffsetOf(layout_.descriptors) + index * kDescriptorSize, descriptor);
    };
    set(head, {.address = Raw(base_ + header),
               .length = kHeaderSize,
               .flags = kDescriptorNext,
               .next = static_cast<uint16_t>(head + 1)});
    set(head + 1, {.address = Raw(base_ + DataOffset(slot)),
                   .length = kRequestSize,
                   .flags = static_cast<uint16_t>(kDescriptorNext | (write ? 0 : kDescriptorWrite)),
                   .next = static_cast<uint16_t>(head + 2)});
    set(head + 2, {.address = Raw(base_ + (kStatuses + slot)),
                   .length = 1u,
                   .flags = kDescriptorWrite,
                   .next = uint16_t{0}});
  }
}

void BlockClientQueue::Send(uint32_t slot) {
  random_ = random_ * 6364136223846793005u + 1442695040888963407u;
  // The upper bits are the random ones.
  const uint64_t place = static_cast<uint64_t>((__uint128_t{random_} * places_) >> 64);
  range_.Write(static_cast<uint32_t>(kHeaders + uint64_t{slot} * kHeaderSize + 8),
               Le64(place * (kRequestSize / kBlockSector)));
  // What a back end that does nothing would leave is an error.
  range_.Write(static_cast<uint32_t>(kStatuses) + slot, uint8_t{0xFF});
  available_.WriteWrapped(next_available_++, static_cast<uint16_t>(3 * slot));
  ++in_flight_;
}

void BlockClientQueue::Publish() {
  const uint16_t before = std::exchange(published_, next_available_);
  if (before == next_available_) return;
  // Release: Virtio 1.2, 2.7.13.3.1: entries and descriptors before the index.
  range_.Store<uint16_t>(available_index_, next_available_, std::memory_order_release);
  // Virtio 1.2, 2.7.13.4.1: the index is visible before the event index is read.
  std::atomic_thread_fence(std::memory_order_seq_cst);
  const uint16_t wanted = range_.Load<uint16_t>(available_event_, std::memory_order_relaxed);
  if (static_cast<uint16_t>(next_available_ - wanted - 1) >=
      static_cast<uint16_t>(next_available_ - before)) {
    return;
  }
  ++kicks_;
  kick_->Signal();
}

bool BlockClientQueue::AskForCall() {
  SetUsedEvent(next_used_);
  // The back end publishes before it reads what is asked for; with both fences, one side sees the
  // other's store.
  std::atomic_thread_fence(std::memory_order_seq_cst);
  return range_.Load<uint16_t>(used_index_, std::memory_order_relaxed) == next_used_;
}

}  // namespace touchstone
