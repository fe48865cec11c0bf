#include "devices/virtio/testing/driver_queue.h"

#include <utility>

#include "base/log.h"
#include "devices/virtio/core/virtio_features.h"

namespace touchstone {

DriverQueue::DriverQueue(GuestMemory memory, GuestMemory::RegionSpec range, uint32_t size,
                         uint64_t features)
    : memory_(std::move(memory)),
      heap_end_(Raw(range.start) + range.size),
      size_(size),
      packed_((features & kVirtioPackedRing) != 0),
      event_index_((features & kVirtioEventIndex) != 0),
      split_ring_(memory_, range.start, size),
      packed_ring_(memory_, range.start, size),
      heap_start_((Raw(range.start) + RawSplitRing::BytesFor(size) + 15) & ~uint64_t{15}),
      room_(size) {
  CHECK(heap_start_ < heap_end_);
  CHECK(memory_.Fill(range.start, heap_start_ - Raw(range.start), 0).ok());
  for (uint32_t i = size; i > 0; --i) free_.push_back(static_cast<uint16_t>(i - 1));
}

DriverQueue::Builder& DriverQueue::Builder::Readable(absl::Span<const uint8_t> bytes) {
  const GuestAddress at = queue_.Allocate(bytes.size());
  CHECK(queue_.memory_.Write(at, bytes).ok());
  buffers_.push_back({at, static_cast<uint32_t>(bytes.size()), false});
  return *this;
}

DriverQueue::Builder& DriverQueue::Builder::Writable(uint32_t size) {
  const GuestAddress at = queue_.Allocate(size);
  CHECK(queue_.memory_.Fill(at, size, 0).ok());
  buffers_.push_back({at, size, true});
  return *this;
}

DriverQueue::Builder& DriverQueue::Builder::Indirect() {
  indirect_ = true;
  return *this;
}

uint16_t DriverQueue::Builder::Send() { return queue_.Send(*this); }

// The first place that is free.
GuestAddress DriverQueue::Allocate(uint64_t size) {
  const uint64_t rounded = (size + 16) & ~uint64_t{15};
  uint64_t at = heap_start_;
  for (const auto& [start, taken] : allocated_) {
    if (start - at >= rounded) break;
    at = start + taken;
  }
  CHECK(rounded <= heap_end_ - at);
  allocated_[at] = rounded;
  return GuestAddress{at};
}

void DriverQueue::Release(const Sent& sent) {
  for (const Builder::Buffer& buffer : sent.buffers) allocated_.erase(Raw(buffer.address));
  if (sent.table.has_value()) allocated_.erase(Raw(*sent.table));
}

uint16_t DriverQueue::Send(const Builder& builder) {
  CHECK(!builder.buffers_.empty());
  Sent sent = {.buffers = builder.buffers_};
  if (builder.indirect_) sent.table = WriteTable(builder);
  const size_t entries = builder.indirect_ ? 1 : builder.buffers_.size();
  CHECK(entries <= room_ && !free_.empty());
  room_ -= static_cast<uint32_t>(entries);
  added_ += static_cast<uint32_t>(packed_ ? entries : 1);
  const uint16_t id = packed_ ? SendPacked(sent) : SendSplit(sent);
  sent_[id] = std::move(sent);
  return id;
}

GuestAddress DriverQueue::WriteTable(const Builder& builder) {
  const GuestAddress table = Allocate(builder.buffers_.size() * kDescriptorSize);
  for (size_t i = 0; i < builder.buffers_.size(); ++i) {
    const Builder::Buffer& buffer = builder.buffers_[i];
    const uint16_t write = buffer.writable ? kDescriptorWrite : 0;
    const bool last = i + 1 == builder.buffers_.size();
    if (packed_) {
      CHECK(memory_
                .WriteObject(table + i * kDescriptorSize,
                             PackedDescriptor{Raw(buffer.address), buffer.size, 0, write})
                .ok());
    } else {
      const uint16_t flags = static_cast<uint16_t>(write | (last ? 0 : kDescriptorNext));
      CHECK(memory_
                .WriteObject(table + i * kDescriptorSize,
                             SplitDescriptor{Raw(buffer.address), buffer.size, flags,
                                             static_cast<uint16_t>(last ? 0 : i + 1)})
                .ok());
    }
  }
  return table;
}

uint16_t DriverQueue::SendSplit(Sent& sent) {
  const size_t entries = sent.table.has_value() ? 1 : sent.buffers.size();
  for (size_t i = 0; i < entries; ++i) {
    sent.descriptors.push_back(free_.back());
    free_.pop_back();
  }
  if (sent.table.has_value()) {
    split_ring_.SetDescriptor(
        sent.descriptors[0],
        {Raw(*sent.table), static_cast<uint32_t>(sent.buffers.size() * kDescriptorSize),
         kDescriptorIndirect, 0});
  } else {
    for (size_t i = 0; i < entries; ++i) {
      const bool last = i + 1 == entries;
      const uint16_t flags = static_cast<uint16_t>(
          (sent.buffers[i].writable ? kDescriptorWrite : 0) | (last ? 0 : kDescriptorNext));
      split_ring_.SetDescriptor(sent.descriptors[i],
                                {Raw(sent.buffers[i].address), sent.buffers[i].size, flags,
                                 last ? uint16_t{0} : sent.descriptors[i + 1]});
    }
  }
  split_ring_.MakeAvailable(sent.descriptors[0]);
  next_available_ = split_ring_.available_index();
  return sent.descriptors[0];
}

// Virtio 1.2, 2.8.21: all descriptors of a list are written before the first becomes available.
uint16_t DriverQueue::SendPacked(Sent& sent) {
  const uint16_t id = free_.back();
  free_.pop_back();
  const size_t entries = sent.table.has_value() ? 1 : sent.buffers.size();
  sent.descriptors.resize(entries);
  for (size_t i = entries; i-- > 0;) {
    const uint32_t place = next_available_ + static_cast<uint32_t>(i);
    const bool wrapped = place >= size_;
    const uint32_t index = wrapped ? place - size_ : place;
    PackedDescriptor descriptor = {
        Raw(sent.buffers[i].address), sent.buffers[i].size, id,
        static_cast<uint16_t>((sent.buffers[i].writable ? kDescriptorWrite : 0) |
                              (i + 1 == entries ? 0 : kDescriptorNext))};
    if (sent.table.has_value()) {
      descriptor = {Raw(*sent.table), static_cast<uint32_t>(sent.buffers.size() * kDescriptorSize),
                    id, kDescriptorIndirect};
    }
    packed_ring_.MakeAvailable(index, descriptor, available_wrap_ != wrapped);
  }
  const uint32_t next = next_available_ + static_cast<uint32_t>(entries);
  if (next >= size_) available_wrap_ = !available_wrap_;
  next_available_ = static_cast<uint16_t>(next >= size_ ? next - size_ : next);
  return id;
}

std::optional<DriverQueue::Used> DriverQueue::PollUsed() {
  return packed_ ? PollPacked() : PollSplit();
}

std::optional<DriverQueue::Used> DriverQueue::PollSplit() {
  if (split_ring_.used_index() == next_used_) return std::nullopt;
  const RawSplitRing::Used element = split_ring_.used(next_used_++);
  CHECK(element.id < size_);
  const uint16_t id = static_cast<uint16_t>(element.id);
  const auto sent = sent_.find(id);
  CHECK(sent != sent_.end());
  const std::vector<uint16_t> descriptors = sent->second.descriptors;
  Used used = Finish(id, element.length);
  for (size_t i = descriptors.size(); i-- > 0;) free_.push_back(descriptors[i]);
  return used;
}

std::optional<DriverQueue::Used> DriverQueue::PollPacked() {
  if (!packed_ring_.IsUsed(next_used_, used_wrap_)) return std::nullopt;
  const PackedDescriptor element = packed_ring_.descriptor(next_used_);
  const auto sent = sent_.find(element.id);
  CHECK(sent != sent_.end());
  const uint32_t next = next_used_ + static_cast<uint32_t>(sent->second.descriptors.size());
  if (next >= size_) used_wrap_ = !used_wrap_;
  next_used_ = static_cast<uint16_t>(next >= size_ ? next - size_ : next);
  // Virtio 1.2, 2.8.5: without WRITE the length means nothing.
  const bool wrote = (element.flags & kDescriptorWrite) != 0;
  Used used = Finish(element.id, wrote ? element.length.get() : 0);
  free_.push_back(element.id);
  return used;
}

DriverQueue::Used DriverQueue::Finish(uint16_t id, uint32_t length) {
  auto node = sent_.extract(id);
  const Sent& sent = node.mapped();
  Used used = {.id = id, .length = length};
  for (const Builder::Buffer& buffer : sent.buffers) {
    if (!buffer.writable) continue;
    const size_t before = used.data.size();
    used.data.resize(before + buffer.size);
    CHECK(memory_.Read(buffer.address, absl::MakeSpan(used.data).subspan(before)).ok());
  }
  room_ += static_cast<uint32_t>(sent.descriptors.size());
  Release(sent);
  return used;
}

bool DriverQueue::NeedsKick() {
  const uint32_t added = std::exchange(added_, 0);
  if (added == 0) return false;
  if (!packed_) {
    // Virtio 1.2, 2.7.10.
    if (!event_index_) return (split_ring_.used_flags() & kSplitNoNotify) == 0;
    const uint16_t event = split_ring_.available_event();
    return static_cast<uint16_t>(next_available_ - event - 1) < added;
  }
  // Virtio 1.2, 2.8.14.
  const uint16_t flags = packed_ring_.device_event_flags();
  if (flags != kPackedEventsDescriptor) return flags == kPackedEventsEnable;
  const uint16_t event = packed_ring_.device_event_offset();
  const bool same_lap = ((event & 0x8000) != 0) == available_wrap_;
  const uint32_t here = next_available_ + (same_lap ? 0 : size_);
  const uint32_t wanted = event & 0x7FFF;
  return wanted < here && here - wanted <= added;
}

void DriverQueue::EnableSignals(bool enable) {
  if (!packed_) {
    split_ring_.SetAvailableFlags(enable ? 0 : kSplitNoInterrupt);
    // An index that was just passed is far away.
    split_ring_.SetUsedEvent(enable ? next_used_ : static_cast<uint16_t>(next_used_ - 1));
  } else if (enable && event_index_) {
    packed_ring_.SetDriverEvent(static_cast<uint16_t>(next_used_ | (used_wrap_ ? 0x8000 : 0)),
                                kPackedEventsDescriptor);
  } else {
    packed_ring_.SetDriverEvent(0, enable ? kPackedEventsEnable : kPackedEventsDisable);
  }
}

}  // namespace touchstone
