// A request of the driver: a chain of descriptors, in three states that are three types.
//
//   while (std::optional<ReadableChain> chain = queue.Pop()) {
//     absl::StatusOr<Header> header = chain->ReadObject<Header>();   // What the driver wrote.
//     WritableChain answer = std::move(*chain).IntoWritable();       // Nothing is readable any
//     more. if (header.ok()) answer.Write(Answer(*header)).IgnoreError();
//     std::move(answer).Complete();                                  // The driver has it back.
//   }
//
// The descriptors were copied when the chain was popped, and nothing of them is read again; whether
// a buffer is guest memory shows when it is accessed. The readable buffers are one stream of bytes
// and so are the writable ones: how the driver cut them does not matter (Virtio 1.2, 2.7.4.2). A
// chain that is dropped instead of completed goes back by itself, with nothing written, and is
// counted (VirtQueue::Stats).
//
// Errors: OutOfRange when the chain or the guest's memory is too short for the access; the guest's
// fault. A failed access consumes nothing, and may have copied a part.
//
// Ownership: move-only; chains may outlive their VirtQueue, and then complete into nothing.
// Threads: thread-compatible; a queue and all of its chains belong to one thread at a time.

#ifndef TOUCHSTONE_DEVICES_VIRTIO_CORE_CHAIN_H_
#define TOUCHSTONE_DEVICES_VIRTIO_CORE_CHAIN_H_

#include <cstdint>
#include <type_traits>
#include <utility>

#include "absl/base/attributes.h"
#include "absl/base/optimization.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "base/memory/guest_memory.h"
#include "devices/virtio/core/chain_slot.h"
#include "devices/virtio/core/queue_core.h"

namespace touchstone {

// What both states have: the slot, and its way back.
class ChainHandle {
 public:
  ChainHandle(ChainHandle&& other) noexcept : slot_(std::exchange(other.slot_, nullptr)) {}
  ChainHandle& operator=(ChainHandle&& other) noexcept {
    if (this != &other) {
      Drop();
      slot_ = std::exchange(other.slot_, nullptr);
    }
    return *this;
  }

  // The head's index in a split ring, the buffer id in a packed one: for logs.
  [[nodiscard]] uint16_t id() const { return slot_->id; }

 protected:
  explicit ChainHandle(ChainSlot* slot) : slot_(slot) {}
  ~ChainHandle() { Drop(); }

  static void CompleteSlot(ChainSlot* slot) { slot->queue->Complete(slot); }
  ChainSlot* Release() { return std::exchange(slot_, nullptr); }

  ChainSlot* slot_;  // Null after the chain was moved away or completed.

 private:
  void Drop() {
    if (slot_ != nullptr) DropSlot(Release());
  }
  static void DropSlot(ChainSlot* slot);
};

// Completion is given out; nothing is left to do with it.
class WritableChain final : public ChainHandle {
 public:
  // Room that is left.
  [[nodiscard]] uint64_t writable() const { return slot_->writable_bytes; }
  // What the driver will be told was written.
  [[nodiscard]] uint64_t written() const { return slot_->written; }

  ABSL_ATTRIBUTE_ALWAYS_INLINE absl::Status Write(absl::Span<const uint8_t> source) {
    const uint64_t size = source.size();
    if (ABSL_PREDICT_FALSE(!Fits(size) || !slot_->queue->view().Write(slot_->here(), source))) {
      return WritePieces(source);
    }
    slot_->Advance(size);
    slot_->CountWritten(size);
    return absl::OkStatus();
  }
  template <typename T>
  absl::Status WriteObject(const T& object) {
    static_assert(std::is_trivially_copyable_v<T>);
    return Write(absl::MakeConstSpan(reinterpret_cast<const uint8_t*>(&object), sizeof(T)));
  }

  // The next `size` bytes for readv and io_uring; consumes nothing. Commit follows.
  absl::StatusOr<GuestMemory::SliceList> Slices(uint64_t size) const;
  // The same behind what `slices` has; after an error it may have a part of them.
  ABSL_ATTRIBUTE_ALWAYS_INLINE absl::Status AppendSlices(uint64_t size,
                                                         GuestMemory::SliceList& slices) const {
    iovec slice;
    if (ABSL_PREDICT_FALSE(!Fits(size) ||
                           !slot_->queue->view().Slice(slot_->here(), size, slice))) {
      return AppendPieces(size, slices);
    }
    slices.push_back(slice);
    return absl::OkStatus();
  }
  // Counts the next `size` bytes as written: a system call stored them.
  ABSL_ATTRIBUTE_ALWAYS_INLINE absl::Status Commit(uint64_t size) {
    if (ABSL_PREDICT_FALSE(!Fits(size) || !slot_->queue->view().MarkDirty(slot_->here(), size))) {
      return CommitPieces(size);
    }
    slot_->Advance(size);
    slot_->CountWritten(size);
    return absl::OkStatus();
  }
  // The rest of the buffer whose turn it is, as the driver gave it: for devices to which the
  // address is the message. Consumes nothing. REQUIRES: writable() > 0.
  [[nodiscard]] GuestMemory::RegionSpec Buffer() const {
    const ChainBuffer& buffer = slot_->buffers[slot_->index];
    return {buffer.address + slot_->offset, buffer.size - slot_->offset};
  }
  // Leaves the next `size` bytes as they are. The driver is told of bytes from the start of the
  // buffers on (Virtio 1.2, 2.7.8.2), so what is written after a skip does not count.
  absl::Status Skip(uint64_t size);
  // As Skip, for bytes that a system call may have stored before it failed.
  absl::Status SkipTouched(uint64_t size);

  void Complete() && { CompleteSlot(Release()); }
  // Completes several chains of one queue, in their order, at one moment: the driver sees all of
  // them or none, as it must when they belong together (Virtio 1.2, 5.1.6.4.1).
  static void CompleteAll(absl::Span<WritableChain> chains);

 private:
  friend class ReadableChain;
  friend class VirtQueue;
  explicit WritableChain(ChainSlot* slot) : ChainHandle(slot) {}

  // The short way is for what is in one buffer; these are for the rest, and say what is wrong.
  [[nodiscard]] bool Fits(uint64_t size) const {
    return size <= slot_->writable_bytes && slot_->InOneBuffer(size);
  }
  absl::Status WritePieces(absl::Span<const uint8_t> source);
  absl::Status AppendPieces(uint64_t size, GuestMemory::SliceList& slices) const;
  absl::Status CommitPieces(uint64_t size);
};

class ReadableChain final : public ChainHandle {
 public:
  // Made by the queue. REQUIRES: `slot` is in flight and belongs to nobody.
  explicit ReadableChain(ChainSlot* slot) : ChainHandle(slot) {}

  // Bytes that are left to read, and the room that IntoWritable will find.
  [[nodiscard]] uint64_t readable() const { return slot_->readable_bytes; }
  [[nodiscard]] uint64_t writable() const { return slot_->writable_bytes; }

  ABSL_ATTRIBUTE_ALWAYS_INLINE absl::Status Read(absl::Span<uint8_t> destination) {
    const uint64_t size = destination.size();
    if (ABSL_PREDICT_FALSE(!Fits(size) || !slot_->queue->view().Read(slot_->here(), destination))) {
      return ReadPieces(destination);
    }
    slot_->Advance(size);
    slot_->readable_bytes -= size;
    return absl::OkStatus();
  }
  template <typename T>
  absl::StatusOr<T> ReadObject() {
    static_assert(std::is_trivially_copyable_v<T>);
    T object;
    absl::Status status = Read(absl::MakeSpan(reinterpret_cast<uint8_t*>(&object), sizeof(T)));
    if (!status.ok()) return status;
    return object;
  }

  // The next `size` bytes for writev and io_uring; consumes nothing.
  absl::StatusOr<GuestMemory::SliceList> Slices(uint64_t size) const;
  ABSL_ATTRIBUTE_ALWAYS_INLINE absl::Status AppendSlices(uint64_t size,
                                                         GuestMemory::SliceList& slices) const {
    iovec slice;
    if (ABSL_PREDICT_FALSE(!Fits(size) ||
                           !slot_->queue->view().Slice(slot_->here(), size, slice))) {
      return AppendPieces(size, slices);
    }
    slices.push_back(slice);
    return absl::OkStatus();
  }
  absl::Status Skip(uint64_t size);

  // Gives up what was not read.
  [[nodiscard]] WritableChain IntoWritable() && {
    slot_->index = slot_->readable_count;
    slot_->offset = 0;
    slot_->readable_bytes = 0;
    return WritableChain(Release());
  }
  // Returns a chain with nothing to write.
  void Complete() && { CompleteSlot(Release()); }

 private:
  // As those of WritableChain.
  [[nodiscard]] bool Fits(uint64_t size) const {
    return size <= slot_->readable_bytes && slot_->InOneBuffer(size);
  }
  absl::Status ReadPieces(absl::Span<uint8_t> destination);
  absl::Status AppendPieces(uint64_t size, GuestMemory::SliceList& slices) const;
};

}  // namespace touchstone

#endif  // TOUCHSTONE_DEVICES_VIRTIO_CORE_CHAIN_H_
