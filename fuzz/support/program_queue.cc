#include "fuzz/support/program_queue.h"

#include <algorithm>

#include "base/endian.h"
#include "base/log.h"
#include "devices/virtio/core/virtio_features.h"
#include "devices/virtio/testing/raw_packed_ring.h"
#include "devices/virtio/testing/raw_split_ring.h"

namespace touchstone {
namespace {

uint16_t FlagsOf(const ProgramQueue::Chain& chain, size_t i) {
  return static_cast<uint16_t>((chain[i].writable ? kDescriptorWrite : 0) |
                               (i + 1 < chain.size() ? kDescriptorNext : 0));
}

}  // namespace

ProgramQueue::ProgramQueue(const GuestMemory& memory, GuestAddress ring, uint32_t size,
                           uint64_t features)
    : memory_(&memory),
      packed_((features & kVirtioPackedRing) != 0),
      indirect_((features & kVirtioIndirectDescriptors) != 0) {
  CHECK(size <= kMaxSize);
  layout_ = packed_ ? RawPackedRing::LayoutAt(ring, size) : RawSplitRing::LayoutAt(ring, size);
  CHECK(memory.Fill(ring, RawSplitRing::BytesFor(size), 0).ok());
}

void ProgramQueue::Send(ProgramMemory& memory, const Chain& chain, bool indirect) {
  if (chain.empty()) return;
  CheckUsed();
  if (!trusted_) {
    // What is in flight is not known any more; the device will see chains on top of others.
    sent_ = {};
    in_flight_ = 0;
  }
  const bool table = indirect && indirect_;
  const size_t entries = table ? 1 : chain.size();
  if (entries > layout_.size - std::min(in_flight_, layout_.size)) return;
  // The place in the ring is the id, of a chain whose entries are all there.
  uint32_t id = 0;
  if (packed_) {
    while (id < layout_.size && sent_[id].entries != 0) ++id;
  } else {
    uint32_t free = 0;
    while (id + free < layout_.size && free < entries) {
      const uint8_t taken = sent_[id + free].entries;
      if (taken == 0) {
        ++free;
      } else {
        id += free + taken;
        free = 0;
      }
    }
    if (free < entries) return;
  }
  if (id >= layout_.size) return;
  Sent sent = {.entries = static_cast<uint8_t>(entries)};
  bool saw_writable = false;
  uint64_t bytes = 0;
  for (const Buffer& buffer : chain) {
    if (!buffer.writable && saw_writable) Distrust();
    saw_writable |= buffer.writable;
    if (buffer.writable) sent.room += buffer.size;
    bytes += buffer.size;
  }
  if (bytes > uint64_t{1} << 32 || chain.size() > layout_.size) Distrust();
  sent_[id] = sent;
  in_flight_ += static_cast<uint32_t>(entries);
  Chain lies = chain;
  if (table) {
    lies = {{Raw(WriteTable(memory, chain)), static_cast<uint32_t>(chain.size() * kDescriptorSize),
             false}};
  }
  const uint16_t flag = table ? kDescriptorIndirect : uint16_t{0};
  if (packed_) {
    SendPacked(lies, static_cast<uint16_t>(id), flag);
  } else {
    SendSplit(lies, static_cast<uint16_t>(id), flag);
  }
}

GuestAddress ProgramQueue::WriteTable(ProgramMemory& memory, const Chain& chain) {
  const GuestAddress table = memory.PlaceTable(chain.size() * kDescriptorSize);
  for (size_t i = 0; i < chain.size(); ++i) {
    const GuestAddress at = table + i * kDescriptorSize;
    const Buffer& buffer = chain[i];
    if (packed_) {
      Put(at, PackedDescriptor{buffer.address, buffer.size, 0,
                               buffer.writable ? kDescriptorWrite : uint16_t{0}});
    } else {
      Put(at, SplitDescriptor{buffer.address, buffer.size, FlagsOf(chain, i),
                              static_cast<uint16_t>(i + 1)});
    }
  }
  return table;
}

void ProgramQueue::SendSplit(const Chain& chain, uint16_t id, uint16_t table_flag) {
  for (size_t i = 0; i < chain.size(); ++i) {
    Put(layout_.descriptors + (id + i) * kDescriptorSize,
        SplitDescriptor{chain[i].address, chain[i].size,
                        static_cast<uint16_t>(FlagsOf(chain, i) | table_flag),
                        static_cast<uint16_t>(id + i + 1)});
  }
  Put(layout_.driver + 4 + 2 * uint64_t{next_available_ & (layout_.size - 1)}, Le16(id));
  Put(layout_.driver + 2, Le16(++next_available_));
}

void ProgramQueue::SendPacked(const Chain& chain, uint16_t id, uint16_t table_flag) {
  for (size_t i = chain.size(); i-- > 0;) {
    const uint32_t place = next_available_ + static_cast<uint32_t>(i);
    const bool wrapped = place >= layout_.size;
    const bool wrap = available_wrap_ != wrapped;
    Put(layout_.descriptors + uint64_t{wrapped ? place - layout_.size : place} * kDescriptorSize,
        PackedDescriptor{
            chain[i].address, chain[i].size, id,
            static_cast<uint16_t>(FlagsOf(chain, i) | table_flag |
                                  (wrap ? kPackedDescriptorAvailable : kPackedDescriptorUsed))});
  }
  const uint32_t next = next_available_ + static_cast<uint32_t>(chain.size());
  if (next >= layout_.size) available_wrap_ = !available_wrap_;
  next_available_ = static_cast<uint16_t>(next >= layout_.size ? next - layout_.size : next);
}

void ProgramQueue::PutDescriptor(FuzzInput& input) {
  Distrust();
  const GuestAddress at =
      layout_.descriptors + uint64_t{input.U8() % layout_.size} * kDescriptorSize;
  const uint64_t address = input.U32();
  const uint32_t length = input.U32();
  const uint16_t flags = input.U16();
  const uint8_t next = input.U8();
  if (packed_) {
    Put(at, PackedDescriptor{address, length, next, flags});
  } else {
    Put(at, SplitDescriptor{address, length, flags, next});
  }
}

void ProgramQueue::PutAvailable(FuzzInput& input) {
  Distrust();
  const uint8_t head = input.U8();
  if (packed_) {
    // The flags of an entry as they are for one that is available now.
    const GuestAddress at =
        layout_.descriptors + uint64_t{head % layout_.size} * kDescriptorSize + 14;
    const uint16_t flags = Get<Le16>(at);
    const uint16_t available = available_wrap_ ? kPackedDescriptorAvailable : kPackedDescriptorUsed;
    Put(at, Le16(static_cast<uint16_t>((flags & 0x7F7F) | available)));
    return;
  }
  if (head >= 0xF0) {
    next_available_ = input.U16();
  } else {
    Put(layout_.driver + 4 + 2 * uint64_t{next_available_ & (layout_.size - 1)},
        Le16(uint16_t{head}));
    ++next_available_;
  }
  Put(layout_.driver + 2, Le16(next_available_));
}

void ProgramQueue::Suppress(uint16_t value, uint8_t flags) {
  if (packed_) {
    Put(layout_.driver, Le16(value));
    Put(layout_.driver + 2, Le16(uint16_t{flags}));
  } else {
    Put(layout_.driver, Le16(uint16_t{flags}));
    Put(layout_.driver + 4 + 2 * uint64_t{layout_.size}, Le16(value));
  }
}

bool ProgramQueue::NextUsed(uint32_t& id, uint32_t& length) {
  if (!packed_) {
    if (Get<Le16>(layout_.device + 2) == next_used_) return false;
    const GuestAddress at = layout_.device + 4 + 8 * uint64_t{next_used_ & (layout_.size - 1)};
    id = Get<Le32>(at);
    length = Get<Le32>(at + 4);
    ++next_used_;
    return true;
  }
  const auto entry =
      Get<PackedDescriptor>(layout_.descriptors + uint64_t{next_used_} * kDescriptorSize);
  const uint16_t flags = entry.flags;
  if (((flags & kPackedDescriptorAvailable) != 0) != used_wrap_ ||
      ((flags & kPackedDescriptorUsed) != 0) != used_wrap_) {
    return false;
  }
  id = entry.id;
  length = (flags & kDescriptorWrite) != 0 ? entry.length.get() : 0;
  return true;
}

void ProgramQueue::CheckUsed() {
  uint32_t id = 0;
  uint32_t length = 0;
  while (trusted_ && NextUsed(id, length)) {
    CHECK(id < layout_.size);
    Sent& sent = sent_[id];
    CHECK(sent.entries != 0);
    CHECK(length <= sent.room);
    in_flight_ -= sent.entries;
    if (packed_) {
      const uint32_t next = next_used_ + sent.entries;
      if (next >= layout_.size) used_wrap_ = !used_wrap_;
      next_used_ = static_cast<uint16_t>(next >= layout_.size ? next - layout_.size : next);
    }
    sent = {};
  }
}

void ProgramQueue::CheckStopped(const QueuePosition& position) const {
  if (!trusted_) return;
  CHECK(position.available == position.used);
  CHECK(position.available_wrap == position.used_wrap);
}

}  // namespace touchstone
