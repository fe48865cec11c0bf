#include "devices/virtio/core/queue_core.h"

#include <utility>

namespace touchstone {

QueueCore::QueueCore(GuestMemory memory, uint32_t size, Ring ring)
    : memory_(std::move(memory)), ring_(std::move(ring)), slots_(size) {
  const uint32_t ids = WithRing([](const auto& any) { return any.id_limit(); });
  ids_.resize((ids + 63) / 64);
  for (auto slot = slots_.rbegin(); slot != slots_.rend(); ++slot) {
    slot->queue = this;
    slot->next_free = std::exchange(free_, &*slot);
  }
}

ChainSlot* QueueCore::Take() {
  return WithRing([this](auto& ring) { return TakeFrom(ring); });
}

template <typename RingType>
ChainSlot* QueueCore::TakeFrom(RingType& ring) {
  if (error_ != nullptr) return nullptr;
  const char* error = nullptr;
  if (!ring.HasNext(error)) return error == nullptr ? nullptr : Break(error);
  ChainSlot* const slot = free_;
  if (slot == nullptr) return Break("more chains are in flight than the queue has entries");
  slot->Clear();
  if (error = ring.Take(memory_, *slot); error != nullptr) return Break(error);
  // A driver must not offer again what it was not given back.
  uint64_t& ids = ids_[slot->id / 64];
  if ((ids & IdBit(slot->id)) != 0) return Break("a chain is made available twice");
  if (descriptors_in_flight_ + slot->count > kMaxDescriptorsInFlight) {
    return Break("the chains in flight have too many descriptors");
  }
  ids |= IdBit(slot->id);
  descriptors_in_flight_ += slot->count;
  free_ = slot->next_free;
  ++in_flight_;
  ++stats_.popped;
  return slot;
}

ChainSlot* QueueCore::Break(const char* error) {
  error_ = error;
  return nullptr;
}

void QueueCore::Complete(ChainSlot* slot) {
  if (!abandoned_) {
    WithRing([slot](auto& ring) { ring.Return(*slot); });
  }
  ++stats_.completed;
  Free(slot);
}

void QueueCore::CompleteAll(absl::Span<ChainSlot* const> slots) {
  if (!abandoned_) {
    WithRing([slots](auto& ring) { ring.ReturnAll(slots); });
  }
  stats_.completed += slots.size();
  for (size_t i = 0; i < slots.size(); ++i) Free(slots[i]);  // The last may delete this.
}

void QueueCore::PutBack(ChainSlot* slot) {
  WithRing([slot](auto& ring) { ring.Untake(*slot); });
  --stats_.popped;
  Free(slot);
}

void QueueCore::Drop(ChainSlot* slot) {
  slot->written = 0;
  ++stats_.dropped;
  Complete(slot);
}

void QueueCore::Free(ChainSlot* slot) {
  ids_[slot->id / 64] &= ~IdBit(slot->id);
  descriptors_in_flight_ -= slot->count;
  slot->next_free = std::exchange(free_, slot);
  --in_flight_;
  if (abandoned_ && in_flight_ == 0) delete this;
}

void QueueCore::Abandon() {
  abandoned_ = true;
  if (in_flight_ == 0) delete this;
}

}  // namespace touchstone
