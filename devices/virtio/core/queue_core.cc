#include "devices/virtio/core/queue_core.h"

#include <algorithm>
#include <utility>

namespace touchstone {

QueueCore::QueueCore(GuestMemory memory, uint32_t size, Ring ring)
    : view_(std::move(memory)), ring_(std::move(ring)), size_(size) {
  MakeSlots();
}

bool QueueCore::MakeSlots() {
  const uint32_t count = std::min(std::max(slot_count_, kFirstSlots), size_ - slot_count_);
  if (count == 0) return false;
  ChainSlot* const slots = slots_.emplace_back(std::make_unique<ChainSlot[]>(count)).get();
  slot_count_ += count;
  for (uint32_t i = count; i-- > 0;) {
    slots[i].queue = this;
    slots[i].next_free = std::exchange(free_, &slots[i]);
  }
  return true;
}

template <typename RingType>
ChainSlot* QueueCore::TakeFrom(RingType& ring) {
  const char* error = nullptr;
  if (!ring.HasNext(error)) return error == nullptr ? nullptr : Break(error);
  ChainSlot* const slot = free_;
  if (slot == nullptr) return TakeWithMoreSlots(ring);
  const auto first = ring.ReadFirst(*slot, error);
  if (error != nullptr) return Break(error);
  // Most chains that are no simple buffer are long anyway: they go another way.
  if ((first.flags & (kDescriptorNext | kDescriptorIndirect)) != 0 || first.length == 0) {
    return TakeLong(ring, first, slot);
  }
  error = slot->SetOnly(first.address, first.length, (first.flags & kDescriptorWrite) != 0);
  if (error != nullptr) return Break(error);
  if (error = ring.EndSingle(first, *slot); error != nullptr) return Break(error);
  return Claim(slot);
}

template <typename RingType>
ChainSlot* QueueCore::TakeWithMoreSlots(RingType& ring) {
  if (!MakeSlots()) return Break("more chains are in flight than the queue has entries");
  return TakeFrom(ring);
}

template <typename RingType>
ChainSlot* QueueCore::TakeLong(RingType& ring, typename RingType::Descriptor first,
                               ChainSlot* slot) {
  if (const char* error = ring.TakeLong(memory(), first, *slot); error != nullptr) {
    return Break(error);
  }
  if (!CountDescriptors(*slot)) return Break("the chains in flight have too many descriptors");
  return Claim(slot);
}

bool QueueCore::CountDescriptors(const ChainSlot& slot) {
  if (!slot.overflows()) return true;
  if (descriptors_in_flight_ + slot.count > kMaxDescriptorsInFlight) return false;
  descriptors_in_flight_ += slot.count;
  return true;
}

ChainSlot* QueueCore::TakeIrregular() {
  if (error_ != nullptr) return nullptr;
  if (free_ == nullptr && !MakeSlots()) {
    return Break("more chains are in flight than the queue has entries");
  }
  ChainSlot* const slot = free_;
  const char* const error = WithRing([&](auto& ring) {
    const char* const wrong = ring.Resubmit(memory(), *slot);
    irregular_ = ring.may_resubmit();
    return wrong;
  });
  if (error != nullptr) return Break(error);
  if (!CountDescriptors(*slot)) return Break("the chains in flight have too many descriptors");
  return Claim(slot);
}

ChainSlot* QueueCore::Claim(ChainSlot* slot) {
  free_ = slot->next_free;
  ++stats_.popped;
  return slot;
}

template ChainSlot* QueueCore::TakeFrom(SplitRing& ring);
template ChainSlot* QueueCore::TakeFrom(PackedRing& ring);

ChainSlot* QueueCore::Break(const char* error) {
  error_ = error;
  irregular_ = true;
  return nullptr;
}

void QueueCore::Complete(ChainSlot* slot) {
  if (abandoned_) return CompleteAbandoned(slot);
  WithRing([slot](auto& ring) { ring.Return(*slot); });
  ++stats_.completed;
  Free(slot);
}

void QueueCore::CompleteAll(absl::Span<ChainSlot* const> slots) {
  if (!abandoned_) {
    WithRing([slots](auto& ring) { ring.ReturnAll(slots); });
    stats_.completed += slots.size();
    for (ChainSlot* const slot : slots) Free(slot);
    return;
  }
  for (ChainSlot* const slot : slots) CompleteAbandoned(slot);  // The last may delete this.
}

void QueueCore::CompleteAbandoned(ChainSlot* slot) {
  ++stats_.completed;
  Free(slot);
  if (in_flight() == 0) delete this;
}

void QueueCore::PutBack(ChainSlot* slot) {
  WithRing([this, slot](auto& ring) {
    ring.Untake(*slot);
    irregular_ |= ring.may_resubmit();
  });
  --stats_.popped;
  Free(slot);
}

void QueueCore::Drop(ChainSlot* slot) {
  slot->written = 0;
  ++stats_.dropped;
  Complete(slot);
}

void QueueCore::Free(ChainSlot* slot) {
  if (slot->overflows()) {
    descriptors_in_flight_ -= slot->count;
    slot->ReleaseOverflow();
  }
  slot->next_free = std::exchange(free_, slot);
}

void QueueCore::Abandon() {
  abandoned_ = true;
  if (in_flight() == 0) delete this;
}

}  // namespace touchstone
