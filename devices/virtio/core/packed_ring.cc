#include "devices/virtio/core/packed_ring.h"

#include <algorithm>
#include <atomic>
#include <iterator>
#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/status.h"
#include "devices/virtio/core/virtio_features.h"

namespace touchstone {
namespace {

// Event suppression structures (Virtio 1.2, 2.8.14): one aligned dword.
constexpr uint32_t kEventSize = 4;
constexpr uint16_t kEventWrap = 1 << 15;  // Of the offset word.

// Of a chain. Virtio 1.2, 2.8.8: an indirect descriptor is.
bool IsLast(const PackedDescriptor& descriptor) {
  return (descriptor.flags & (kDescriptorNext | kDescriptorIndirect)) != kDescriptorNext;
}

constexpr uint32_t Event(uint16_t offset, uint16_t flags) { return offset | uint32_t{flags} << 16; }

}  // namespace

absl::StatusOr<PackedRing> PackedRing::Create(const GuestMemory& memory,
                                              const GuestMemory& device_area,
                                              const QueueLayout& layout, uint64_t features,
                                              const QueuePosition& position) {
  const uint32_t size = layout.size;
  if (size == 0 || size > kMaxQueueSize) {
    return absl::InvalidArgumentError(
        absl::StrCat("the size of a packed ring is 1 to 32768, not ", size));
  }
  if (position.available >= size || position.used >= size) {
    return absl::InvalidArgumentError(
        absl::StrCat("position ", position.available, ", ", position.used,
                     " is beyond the end of a packed ring of ", size));
  }
  absl::StatusOr<Descriptors> descriptors = Descriptors::Create(memory, layout.descriptors, size);
  if (!descriptors.ok()) return Annotate(descriptors.status(), "descriptor area");
  ASSIGN_OR_RETURN(GuestWindow table,
                   GuestWindow::Create(memory, layout.descriptors, uint64_t{size} * kDescriptorSize,
                                       kDescriptorSize));
  absl::StatusOr<GuestWindow> driver =
      GuestWindow::Create(memory, layout.driver, kEventSize, kEventSize);
  if (!driver.ok()) return Annotate(driver.status(), "driver area");
  absl::StatusOr<GuestWindow> device =
      GuestWindow::Create(device_area, layout.device, kEventSize, kEventSize);
  if (!device.ok()) return Annotate(device.status(), "device area");
  return PackedRing(features, position, *std::move(descriptors), std::move(table),
                    *std::move(driver), *std::move(device));
}

PackedRing::PackedRing(uint64_t features, const QueuePosition& position, Descriptors descriptors,
                       GuestWindow table, GuestWindow driver, GuestWindow device)
    : event_index_((features & kVirtioEventIndex) != 0),
      indirect_((features & kVirtioIndirectDescriptors) != 0),
      position_(position),
      descriptors_(std::move(descriptors)),
      table_(std::move(table)),
      driver_(std::move(driver)),
      device_(std::move(device)),
      ids_in_flight_(0x10000 / 64) {}

const char* PackedRing::TakeLong(const GuestMemory& memory, PackedDescriptor descriptor,
                                 ChainSlot& slot) {
  ChainBuilder chain(slot);
  const uint32_t size = this->size();
  uint32_t index = position_.available;
  if (inflight_ != nullptr) inflight_->Begin();
  for (uint32_t entries = 1; entries <= size; ++entries) {
    if (inflight_ != nullptr) inflight_->Append(descriptor);
    const char* const error = Add(memory, descriptor, entries - 1, chain);
    if (error != nullptr) return error;
    // Virtio 1.2, 2.8.6: the id of a list is that of its last descriptor.
    if (IsLast(descriptor)) return Taken(slot, descriptor.id, entries);
    if (++index == size) index = 0;
    descriptor = descriptors_.Read(index);
  }
  return "a chain has more descriptors than the queue";
}

const char* PackedRing::Add(const GuestMemory& memory, const PackedDescriptor& descriptor,
                            uint32_t count, ChainBuilder& chain) const {
  const uint16_t flags = descriptor.flags;
  if ((flags & kDescriptorIndirect) != 0) return TakeIndirect(memory, descriptor, count, chain);
  const bool write = (flags & kDescriptorWrite) != 0;
  return IsLast(descriptor) ? chain.AppendLast(descriptor.address, descriptor.length, write)
                            : chain.Append(descriptor.address, descriptor.length, write);
}

void PackedRing::Track(PackedInflight inflight) {
  resubmit_.assign(std::make_move_iterator(inflight.chains().rbegin()),
                   std::make_move_iterator(inflight.chains().rend()));
  for (const PackedInflight::Chain& chain : resubmit_) {
    entries_in_flight_ += static_cast<uint32_t>(chain.descriptors.size());
    ids_in_flight_[chain.id / 64] |= IdBit(chain.id);
  }
  inflight_ = std::make_unique<PackedInflight>(std::move(inflight));
}

const char* PackedRing::Resubmit(const GuestMemory& memory, ChainSlot& slot) {
  const PackedInflight::Chain& chain = resubmitted_.emplace_back(std::move(resubmit_.back()));
  resubmit_.pop_back();
  ChainBuilder builder(slot);
  for (uint32_t i = 0; i < chain.descriptors.size(); ++i) {
    const bool last = i + 1 == chain.descriptors.size();
    if (IsLast(chain.descriptors[i]) != last) return "a chain in flight is not whole";
    const char* const error = Add(memory, chain.descriptors[i], i, builder);
    if (error != nullptr) return error;
  }
  slot.id = chain.id;
  slot.ring_descriptors = static_cast<uint16_t>(chain.descriptors.size());
  return nullptr;
}

std::vector<PackedInflight::Chain>::iterator PackedRing::FindResubmitted(uint16_t id) {
  return std::find_if(resubmitted_.begin(), resubmitted_.end(),
                      [id](const PackedInflight::Chain& chain) { return chain.id == id; });
}

void PackedRing::NotePut(uint16_t id) {
  if (const auto chain = FindResubmitted(id); chain != resubmitted_.end()) {
    resubmitted_.erase(chain);
  }
  inflight_->Put(id, position_);
}

void PackedRing::NoteReturned(absl::Span<ChainSlot* const> slots) {
  for (const ChainSlot* const slot : slots) inflight_->Done(slot->id);
  inflight_->Commit();
}

// Virtio 1.2, 2.8.8: the table is an array of packed descriptors, used from the first to the last;
// of their flags only WRITE means something.
const char* PackedRing::TakeIndirect(const GuestMemory& memory, PackedDescriptor table,
                                     uint32_t count, ChainBuilder& chain) const {
  // Virtio 1.2, 2.8.19: the flag needs the feature, and excludes NEXT.
  if (!indirect_) return "an indirect descriptor, which was not negotiated";
  if ((table.flags & kDescriptorNext) != 0) return "an indirect descriptor is not the last";
  const uint32_t length = table.length;
  if (length == 0 || length % kDescriptorSize != 0) {
    return "the length of an indirect table is no multiple of 16";
  }
  const uint32_t entries = length / kDescriptorSize;
  if (entries > size() - count) return "a chain has more descriptors than the queue";
  for (uint32_t i = 0; i < entries; ++i) {
    const std::optional<GuestAddress> at =
        CheckedAdd(GuestAddress{table.address.get()}, uint64_t{i} * kDescriptorSize);
    if (!at.has_value()) return "an indirect table is not in guest memory";
    const absl::StatusOr<PackedDescriptor> descriptor = memory.ReadObject<PackedDescriptor>(*at);
    if (!descriptor.ok()) return "an indirect table is not in guest memory";
    if (const char* error = chain.Append(descriptor->address, descriptor->length,
                                         (descriptor->flags & kDescriptorWrite) != 0);
        error != nullptr) {
      return error;
    }
  }
  chain.Finish();
  return nullptr;
}

void PackedRing::Untake(const ChainSlot& slot) {
  if (const auto chain = FindResubmitted(slot.id); chain != resubmitted_.end()) {
    resubmit_.push_back(std::move(*chain));
    resubmitted_.erase(chain);
    return;
  }
  const uint32_t entries = slot.ring_descriptors;
  if (inflight_ != nullptr) inflight_->Untake(slot.id);
  Forget(slot);
  uint32_t before = position_.available;
  if (before < entries) {
    before += size();
    position_.available_wrap = !position_.available_wrap;
  }
  position_.available = static_cast<uint16_t>(before - entries);
}

// The driver looks at the first, which is written last.
void PackedRing::ReturnAll(absl::Span<ChainSlot* const> slots) {
  if (slots.empty()) return;
  const UsedDescriptor first = NextUsed(*slots[0]);
  for (const ChainSlot* const slot : slots.subspan(1)) {
    Put(NextUsed(*slot), std::memory_order_relaxed);
  }
  // Release: as in Return, and the others are visible before the first.
  Put(first, std::memory_order_release);
  if (inflight_ != nullptr) NoteReturned(slots);
}

void PackedRing::EnableKicks() {
  uint32_t event = Event(0, kPackedEventsEnable);
  if (event_index_) {
    event = Event(
        static_cast<uint16_t>(position_.available | (position_.available_wrap ? kEventWrap : 0)),
        kPackedEventsDescriptor);
  }
  device_.Store<uint32_t>(0, event, std::memory_order_relaxed);
}

void PackedRing::DisableKicks() {
  device_.Store<uint32_t>(0, Event(0, kPackedEventsDisable), std::memory_order_relaxed);
}

bool PackedRing::NeedsSignal() {
  const uint32_t returned = std::exchange(returned_entries_, 0);
  if (returned == 0) return false;
  const uint32_t event = driver_.Load<uint32_t>(0, std::memory_order_relaxed);
  const uint16_t flags = (event >> 16) & 3;  // Virtio 1.2, 2.8.14: the other bits are reserved.
  if (flags == kPackedEventsEnable) return true;
  // Virtio 1.2, 2.8.10: the third value exists with EVENT_IDX only, the fourth is reserved.
  if (flags != kPackedEventsDescriptor || !event_index_) return false;
  if (returned >= size()) return true;
  // How far the entry asked for lies behind the position, in entries: an entry of the lap before
  // when the wrap counters differ.
  const uint32_t wanted = event & ~uint32_t{kEventWrap} & 0xFFFF;
  const bool same_lap = ((event & kEventWrap) != 0) == position_.used_wrap;
  const uint32_t here = same_lap ? position_.used : position_.used + size();
  return wanted < here && here - wanted <= returned;
}

QueuePosition PackedRing::position() const { return position_; }

}  // namespace touchstone
