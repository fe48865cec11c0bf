// What a queue keeps of one chain in flight: a copy of its descriptors and a cursor. An
// implementation detail of VirtQueue and the chains.
//
// The first few descriptors are kept inside, so that short chains need no allocation; the memory
// for longer ones is kept for the next chain unless it is large.

#ifndef TOUCHSTONE_DEVICES_VIRTIO_CORE_CHAIN_SLOT_H_
#define TOUCHSTONE_DEVICES_VIRTIO_CORE_CHAIN_SLOT_H_

#include <cstdint>
#include <vector>

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

  QueueCore* queue = nullptr;
  ChainSlot* next_free = nullptr;
  ChainBuffer* buffers = inline_buffers;
  uint32_t count = 0;           // Of buffers, readable ones first; empty ones are left out.
  uint32_t readable_count = 0;  // Of them.
  uint32_t index = 0;           // The buffer that the cursor is in.
  uint32_t offset = 0;          // Of the cursor in it.
  uint64_t readable_bytes = 0;  // Left behind the cursor.
  uint64_t writable_bytes = 0;
  uint64_t written = 0;
  bool skipped = false;  // What is written from now on does not count.
  bool saw_writable = false;
  uint16_t id = 0;                // What the driver gets back.
  uint16_t ring_descriptors = 0;  // Descriptors of the ring itself that the chain takes.
  ChainBuffer inline_buffers[kInline];
  std::vector<ChainBuffer> overflow;

  ChainSlot() = default;
  ChainSlot(const ChainSlot&) = delete;
  ChainSlot& operator=(const ChainSlot&) = delete;

  void Clear() {
    if (buffers != inline_buffers) ReleaseOverflow();
    count = 0;
    readable_count = 0;
    index = 0;
    offset = 0;
    readable_bytes = 0;
    writable_bytes = 0;
    written = 0;
    skipped = false;
    saw_writable = false;
  }

  // Appends a buffer; returns what is wrong with it, or null.
  const char* Append(uint64_t address, uint32_t size, bool writable) {
    if (writable) {
      saw_writable = true;
      writable_bytes += size;
    } else {
      // Virtio 1.2, 2.7.4.2: the driver MUST place writable elements after any readable ones.
      if (saw_writable) return "a readable buffer follows a writable one";
      readable_bytes += size;
    }
    if (readable_bytes + writable_bytes > kMaxBytes) return "a chain is longer than 4 GiB";
    if (size == 0) return nullptr;
    if (address + size < address) return "a buffer goes beyond the end of the address space";
    if (count >= kInline) {
      AppendOverflow({GuestAddress{address}, size});
    } else {
      inline_buffers[count] = {GuestAddress{address}, size};
    }
    ++count;
    if (!writable) readable_count = count;
    return nullptr;
  }

 private:
  void AppendOverflow(ChainBuffer buffer) {
    if (count == kInline) overflow.assign(inline_buffers, inline_buffers + kInline);
    overflow.push_back(buffer);
    buffers = overflow.data();
  }
  void ReleaseOverflow() {
    buffers = inline_buffers;
    overflow.clear();
    if (overflow.capacity() > kKeep) overflow.shrink_to_fit();
  }
};

}  // namespace touchstone

#endif  // TOUCHSTONE_DEVICES_VIRTIO_CORE_CHAIN_SLOT_H_
