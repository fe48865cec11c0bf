#include "devices/virtio/core/chain.h"

#include <algorithm>

#include "absl/base/attributes.h"
#include "absl/container/inlined_vector.h"
#include "absl/strings/str_cat.h"
#include "base/status.h"
#include "devices/virtio/core/queue_core.h"

namespace touchstone {
namespace {

// Where an access is in the buffers of a chain.
struct Cursor {
  uint32_t index;
  uint32_t offset;
};

// Calls visit(address, size) for each piece of the next `size` bytes. REQUIRES: the chain has them.
template <typename Visit>
absl::Status ForEachPiece(const ChainSlot& slot, Cursor& cursor, uint64_t size, Visit visit) {
  while (size > 0) {
    const ChainBuffer& buffer = slot.buffers[cursor.index];
    const uint32_t left = buffer.size - cursor.offset;
    const uint32_t piece = static_cast<uint32_t>(std::min<uint64_t>(size, left));
    RETURN_IF_ERROR(visit(buffer.address + cursor.offset, piece));
    size -= piece;
    cursor.offset += piece;
    if (piece == left) cursor = {cursor.index + 1, 0};
  }
  return absl::OkStatus();
}

ABSL_ATTRIBUTE_NOINLINE absl::Status TooShort(uint64_t size, uint64_t left) {
  return absl::OutOfRangeError(absl::StrCat("the chain has ", left, " bytes left, not ", size));
}

void MoveTo(ChainSlot& slot, Cursor cursor) {
  slot.index = cursor.index;
  slot.offset = cursor.offset;
}

absl::Status AppendSlicesOf(const ChainSlot& slot, uint64_t size, GuestMemory::SliceList& slices) {
  Cursor cursor = {slot.index, slot.offset};
  return ForEachPiece(slot, cursor, size,
                      [&](GuestAddress address, uint32_t piece) -> absl::Status {
                        ASSIGN_OR_RETURN(const GuestMemory::SliceList found,
                                         slot.queue->memory().Slices(address, piece));
                        slices.insert(slices.end(), found.begin(), found.end());
                        return absl::OkStatus();
                      });
}

void SkipIn(ChainSlot& slot, uint64_t size) {
  Cursor cursor = {slot.index, slot.offset};
  ForEachPiece(slot, cursor, size, [](GuestAddress, uint32_t) {
    return absl::OkStatus();
  }).IgnoreError();
  MoveTo(slot, cursor);
}

}  // namespace

void ChainHandle::DropSlot(ChainSlot* slot) { slot->queue->Drop(slot); }

absl::Status ReadableChain::ReadPieces(absl::Span<uint8_t> destination) {
  ChainSlot& slot = *slot_;
  if (destination.size() > slot.readable_bytes) {
    return TooShort(destination.size(), slot.readable_bytes);
  }
  Cursor cursor = {slot.index, slot.offset};
  uint8_t* to = destination.data();
  RETURN_IF_ERROR(
      ForEachPiece(slot, cursor, destination.size(), [&](GuestAddress address, uint32_t piece) {
        absl::Status status = slot.queue->memory().Read(address, absl::MakeSpan(to, piece));
        to += piece;
        return status;
      }));
  MoveTo(slot, cursor);
  slot.readable_bytes -= destination.size();
  return absl::OkStatus();
}

absl::StatusOr<GuestMemory::SliceList> ReadableChain::Slices(uint64_t size) const {
  GuestMemory::SliceList slices;
  RETURN_IF_ERROR(AppendSlices(size, slices));
  return slices;
}

absl::Status ReadableChain::AppendPieces(uint64_t size, GuestMemory::SliceList& slices) const {
  if (size > slot_->readable_bytes) return TooShort(size, slot_->readable_bytes);
  return AppendSlicesOf(*slot_, size, slices);
}

absl::Status ReadableChain::Skip(uint64_t size) {
  if (size > slot_->readable_bytes) return TooShort(size, slot_->readable_bytes);
  SkipIn(*slot_, size);
  slot_->readable_bytes -= size;
  return absl::OkStatus();
}

absl::Status WritableChain::WritePieces(absl::Span<const uint8_t> source) {
  ChainSlot& slot = *slot_;
  if (source.size() > slot.writable_bytes) return TooShort(source.size(), slot.writable_bytes);
  Cursor cursor = {slot.index, slot.offset};
  const uint8_t* from = source.data();
  RETURN_IF_ERROR(
      ForEachPiece(slot, cursor, source.size(), [&](GuestAddress address, uint32_t piece) {
        absl::Status status = slot.queue->memory().Write(address, absl::MakeConstSpan(from, piece));
        from += piece;
        return status;
      }));
  MoveTo(slot, cursor);
  slot.CountWritten(source.size());
  return absl::OkStatus();
}

absl::StatusOr<GuestMemory::SliceList> WritableChain::Slices(uint64_t size) const {
  GuestMemory::SliceList slices;
  RETURN_IF_ERROR(AppendSlices(size, slices));
  return slices;
}

absl::Status WritableChain::AppendPieces(uint64_t size, GuestMemory::SliceList& slices) const {
  if (size > slot_->writable_bytes) return TooShort(size, slot_->writable_bytes);
  return AppendSlicesOf(*slot_, size, slices);
}

absl::Status WritableChain::CommitPieces(uint64_t size) {
  ChainSlot& slot = *slot_;
  if (size > slot.writable_bytes) return TooShort(size, slot.writable_bytes);
  Cursor cursor = {slot.index, slot.offset};
  RETURN_IF_ERROR(ForEachPiece(slot, cursor, size, [&](GuestAddress address, uint32_t piece) {
    slot.queue->memory().MarkDirty(address, piece);
    return absl::OkStatus();
  }));
  MoveTo(slot, cursor);
  slot.CountWritten(size);
  return absl::OkStatus();
}

absl::Status WritableChain::SkipTouched(uint64_t size) {
  if (size > slot_->writable_bytes) return TooShort(size, slot_->writable_bytes);
  Cursor cursor = {slot_->index, slot_->offset};
  ForEachPiece(*slot_, cursor, size, [this](GuestAddress address, uint32_t piece) {
    slot_->queue->memory().MarkDirty(address, piece);
    return absl::OkStatus();
  }).IgnoreError();
  return Skip(size);
}

absl::Status WritableChain::Skip(uint64_t size) {
  if (size > slot_->writable_bytes) return TooShort(size, slot_->writable_bytes);
  if (size == 0) return absl::OkStatus();
  SkipIn(*slot_, size);
  slot_->writable_bytes -= size;
  slot_->skipped = true;
  return absl::OkStatus();
}

void WritableChain::CompleteAll(absl::Span<WritableChain> chains) {
  if (chains.empty()) return;
  QueueCore* const queue = chains[0].slot_->queue;
  absl::InlinedVector<ChainSlot*, 32> slots;
  for (WritableChain& chain : chains) slots.push_back(chain.Release());
  queue->CompleteAll(slots);
}

}  // namespace touchstone
