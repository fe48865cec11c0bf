// What a queue keeps of one chain in flight: a copy of its descriptors and a cursor. An
// implementation detail of VirtQueue and the chains.
//
// preserve_most on what is called rarely: it costs its callers no registers.
//
// The first few descriptors are kept inside, so that short chains need no allocation; the memory
// for longer ones is kept for the next chain unless it is large.

#ifndef TOUCHSTONE_DEVICES_VIRTIO_CORE_CHAIN_SLOT_H_
#define TOUCHSTONE_DEVICES_VIRTIO_CORE_CHAIN_SLOT_H_

#include <cstdint>
#include <vector>

#include "absl/base/attributes.h"
#include "absl/base/optimization.h"
#include "base/memory/guest_address.h"

namespace touchstone {

class QueueCore;

struct ChainBuffer {
  GuestAddress address{};
  uint32_t size = 0;
};

struct ChainSlot {
  static constexpr uint32_t kInline = 4;
  // Larger memory is given back when the chain is.
  static constexpr uint32_t kKeep = 64;
  // Virtio 1.2, 2.7.5.2: a chain is at most 2^32 bytes long.
  static constexpr uint64_t kMaxBytes = uint64_t{1} << 32;

  static constexpr const char* kBeyondAddresses =
      "a buffer goes beyond the end of the address space";

  QueueCore* queue = nullptr;
  ChainSlot* next_free = nullptr;
  ChainBuffer* buffers = inline_buffers;
  uint32_t count = 0;           // Of buffers, readable ones first; empty ones are left out.
  uint32_t readable_count = 0;  // Of them.
  uint32_t index = 0;           // The buffer that the cursor is in.
  uint32_t offset = 0;          // Of the cursor in it.
  uint64_t readable_bytes = 0;  // Left behind the cursor.
  uint64_t writable_bytes = 0;
  uint32_t written = 0;           // What the driver is told.
  bool skipped = false;           // What is written from now on does not count.
  uint16_t id = 0;                // What the driver gets back.
  uint16_t ring_descriptors = 0;  // Descriptors of the ring itself that the chain takes.
  ChainBuffer inline_buffers[kInline];
  std::vector<ChainBuffer> overflow;  // All buffers, when they are more.

  ChainSlot() = default;
  ChainSlot(const ChainSlot&) = delete;
  ChainSlot& operator=(const ChainSlot&) = delete;

  // The chain is this buffer, which is not empty; returns what is wrong with it, or null.
  const char* SetOnly(uint64_t address, uint32_t size, bool writable) {
    if (address + size < address) return kBeyondAddresses;
    inline_buffers[0] = {GuestAddress{address}, size};
    count = 1;
    readable_count = writable ? 0 : 1;
    readable_bytes = writable ? 0 : size;
    writable_bytes = writable ? size : 0;
    Rewind();
    return nullptr;
  }

  // Nothing was accessed yet.
  void Rewind() {
    index = 0;
    offset = 0;
    written = 0;
    skipped = false;
  }

  // --- Most accesses are all in the buffer whose turn it is. REQUIRES: `size` bytes are left.
  [[nodiscard]] bool InOneBuffer(uint64_t size) const {
    return size != 0 && size <= buffers[index].size - offset;
  }
  [[nodiscard]] GuestAddress here() const { return buffers[index].address + offset; }
  // REQUIRES: InOneBuffer.
  void Advance(uint64_t size) {
    offset += static_cast<uint32_t>(size);
    if (offset < buffers[index].size) return;
    ++index;
    offset = 0;
  }
  // The bytes before the cursor were written.
  void CountWritten(uint64_t size) {
    writable_bytes -= size;
    if (skipped) return;
    // All of the longest chain is a byte more than the driver can be told.
    const uint64_t sum = written + size;
    written = sum > UINT32_MAX ? UINT32_MAX : static_cast<uint32_t>(sum);
  }

  [[nodiscard]] bool overflows() const { return count > kInline; }
  // Gives the memory of a long chain back.
  [[clang::preserve_most]] ABSL_ATTRIBUTE_NOINLINE void ReleaseOverflow() {
    buffers = inline_buffers;
    overflow.clear();
    if (overflow.capacity() > kKeep) overflow.shrink_to_fit();
  }
};

// Copies the descriptors of any chain into a free slot, whose other fields are set at the end.
class ChainBuilder {
 public:
  explicit ChainBuilder(ChainSlot& slot) : slot_(&slot) {}

  // Appends a buffer; returns what is wrong with it, or null.
  const char* Append(uint64_t address, uint32_t size, bool writable) {
    if (!writable) {
      // Virtio 1.2, 2.7.4.2: the driver MUST place writable elements after any readable ones.
      if (saw_writable_) return "a readable buffer follows a writable one";
    } else if (!saw_writable_) {
      EndReadable();
    }
    total_bytes_ += size;
    if (total_bytes_ > ChainSlot::kMaxBytes) return "a chain is longer than 4 GiB";
    if (size == 0) return nullptr;
    if (address + size < address) return ChainSlot::kBeyondAddresses;
    if (ABSL_PREDICT_FALSE(count_ >= ChainSlot::kInline)) {
      AppendOverflow(*slot_, count_, {GuestAddress{address}, size});
    } else {
      slot_->inline_buffers[count_] = {GuestAddress{address}, size};
    }
    ++count_;
    return nullptr;
  }

  // Appends the last buffer. Returns as Append.
  const char* AppendLast(uint64_t address, uint32_t size, bool writable) {
    const char* const error = Append(address, size, writable);
    if (error == nullptr) Finish();
    return error;
  }

  // The chain is complete.
  void Finish() {
    if (!saw_writable_) EndReadable();
    ChainSlot& slot = *slot_;
    slot.count = count_;
    slot.readable_count = readable_count_;
    slot.readable_bytes = readable_bytes_;
    slot.writable_bytes = total_bytes_ - readable_bytes_;
    slot.Rewind();
    if (ABSL_PREDICT_FALSE(slot.overflows())) slot.buffers = slot.overflow.data();
  }

 private:
  void EndReadable() {
    saw_writable_ = true;
    readable_count_ = count_;
    readable_bytes_ = total_bytes_;
  }
  [[clang::preserve_most]] ABSL_ATTRIBUTE_NOINLINE static void AppendOverflow(ChainSlot& slot,
                                                                              uint32_t count,
                                                                              ChainBuffer buffer) {
    if (count == ChainSlot::kInline) {
      slot.overflow.assign(slot.inline_buffers, slot.inline_buffers + ChainSlot::kInline);
    }
    slot.overflow.push_back(buffer);
  }

  ChainSlot* slot_;
  uint32_t count_ = 0;
  uint32_t readable_count_ = 0;
  uint64_t readable_bytes_ = 0;
  uint64_t total_bytes_ = 0;
  bool saw_writable_ = false;
};

}  // namespace touchstone

#endif  // TOUCHSTONE_DEVICES_VIRTIO_CORE_CHAIN_SLOT_H_
