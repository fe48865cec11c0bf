#include "devices/virtio/core/packed_inflight.h"

#include <algorithm>
#include <atomic>
#include <numeric>
#include <utility>

#include "absl/status/status.h"
#include "base/status.h"
#include "devices/virtio/core/inflight_layout.h"

namespace touchstone {
namespace {

constexpr uint32_t kFree = 12;
constexpr uint32_t kOldFree = 14;
constexpr uint32_t kUsed = 16;
constexpr uint32_t kOldUsed = 18;
constexpr uint32_t kUsedWrap = 20;
constexpr uint32_t kOldUsedWrap = 21;
constexpr uint32_t kEntries = 32;
constexpr uint32_t kEntrySize = 32;
// Of an entry.
constexpr uint32_t kInflight = 0;
constexpr uint32_t kNext = 2;
constexpr uint32_t kLast = 4;
constexpr uint32_t kNumber = 6;
constexpr uint32_t kCounter = 8;
constexpr uint32_t kId = 16;
constexpr uint32_t kFlags = 18;
constexpr uint32_t kLength = 20;
constexpr uint32_t kAddress = 24;

constexpr uint32_t At(uint16_t entry, uint32_t field) {
  return kEntries + entry * kEntrySize + field;
}

bool Available(uint16_t flags, bool wrap) {
  return ((flags & kPackedDescriptorAvailable) != 0) == wrap &&
         ((flags & kPackedDescriptorUsed) != 0) != wrap;
}

}  // namespace

absl::StatusOr<PackedInflight> PackedInflight::Create(
    GuestWindow window, uint32_t size, const std::function<uint16_t(uint16_t)>& flags_of,
    const QueuePosition& position) {
  const auto entries = static_cast<uint32_t>((window.size() - kEntries) / kEntrySize);
  ASSIGN_OR_RETURN(const bool is_new, IsNewInflight(window, entries, size));
  PackedInflight self(std::move(window), entries);
  if (is_new) {
    if (position.available != position.used || position.available_wrap != position.used_wrap) {
      return absl::InvalidArgumentError("a new inflight region for a ring with chains in flight");
    }
    self.Initialize(position);
    return self;
  }
  RETURN_IF_ERROR(self.Recover(size, flags_of));
  return self;
}

void PackedInflight::Initialize(const QueuePosition& position) {
  position_ = position;
  std::iota(links_.begin(), links_.end(), uint16_t{1});
  for (uint32_t i = 0; i < links_.size(); ++i) {
    const auto entry = static_cast<uint16_t>(i);
    window_.Store<uint8_t>(At(entry, kInflight), 0, std::memory_order_relaxed);
    window_.Store<uint16_t>(At(entry, kNext), links_[entry], std::memory_order_relaxed);
  }
  window_.Store<uint16_t>(kInflightEntriesAt, static_cast<uint16_t>(links_.size()),
                          kInflightInOrder);
  window_.Store<uint16_t>(kFree, 0, kInflightInOrder);
  window_.Store<uint16_t>(kUsed, position.used, kInflightInOrder);
  window_.Store<uint8_t>(kUsedWrap, position.used_wrap ? 1 : 0, kInflightInOrder);
  Commit();
  window_.Store<uint16_t>(kInflightVersionAt, kInflightVersion, kInflightInOrder);
}

// "When reconnecting", of packed virtqueues.
absl::Status PackedInflight::Recover(uint32_t size,
                                     const std::function<uint16_t(uint16_t)>& flags_of) {
  constexpr auto kRelaxed = std::memory_order_relaxed;
  uint16_t used = window_.Load<uint16_t>(kOldUsed, kRelaxed);
  uint8_t wrap = window_.Load<uint8_t>(kOldUsedWrap, kRelaxed);
  free_ = window_.Load<uint16_t>(kOldFree, kRelaxed);
  const auto new_used = window_.Load<uint16_t>(kUsed, kRelaxed);
  const auto new_wrap = window_.Load<uint8_t>(kUsedWrap, kRelaxed);
  if (used >= size || new_used >= size || wrap > 1 || new_wrap > 1) {
    return absl::InvalidArgumentError("the inflight region is beyond the end of its ring");
  }
  // Whether the driver has seen what was being returned.
  if ((used != new_used || wrap != new_wrap) && !Available(flags_of(used), wrap == 1)) {
    free_ = window_.Load<uint16_t>(kFree, kRelaxed);
    used = new_used;
    wrap = new_wrap;
  }
  position_.used = used;
  position_.used_wrap = wrap == 1;
  std::vector<bool> seen(links_.size());
  uint16_t entry = free_;
  while (entry < links_.size()) {
    if (seen[entry]) return absl::InvalidArgumentError("the free entries are a loop");
    seen[entry] = true;
    window_.Store<uint8_t>(At(entry, kInflight), 0, kInflightInOrder);
    links_[entry] = window_.Load<uint16_t>(At(entry, kNext), kRelaxed);
    entry = links_[entry];
  }
  RETURN_IF_ERROR(ReadChains(size, std::move(seen)));
  window_.Store<uint16_t>(kFree, free_, kInflightInOrder);
  window_.Store<uint16_t>(kUsed, used, kInflightInOrder);
  window_.Store<uint8_t>(kUsedWrap, wrap, kInflightInOrder);
  Commit();
  return absl::OkStatus();
}

absl::Status PackedInflight::ReadChains(uint32_t size, std::vector<bool> seen) {
  constexpr auto kRelaxed = std::memory_order_relaxed;
  std::vector<std::pair<uint64_t, uint16_t>> heads;
  for (uint32_t i = 0; i < links_.size(); ++i) {
    const auto entry = static_cast<uint16_t>(i);
    if (window_.Load<uint8_t>(At(entry, kInflight), kRelaxed) != 1) continue;
    heads.emplace_back(window_.Load<uint64_t>(At(entry, kCounter), kRelaxed), entry);
  }
  std::sort(heads.begin(), heads.end());
  counter_ = heads.empty() ? 0 : heads.back().first + 1;
  uint32_t descriptors = 0;
  for (const auto& [counter, head] : heads) {
    const auto number = window_.Load<uint16_t>(At(head, kNumber), kRelaxed);
    descriptors += number;
    if (number == 0 || descriptors > size) {
      return absl::InvalidArgumentError("the chains in flight are longer than their ring");
    }
    Chain chain;
    uint16_t entry = head;
    for (uint16_t i = 0; i < number; ++i) {
      if (i > 0) entry = links_[entry];
      if (entry >= links_.size() || seen[entry]) {
        return absl::InvalidArgumentError("a chain in flight has an entry that is not its own");
      }
      seen[entry] = true;
      links_[entry] = window_.Load<uint16_t>(At(entry, kNext), kRelaxed);
      chain.descriptors.push_back({.address = window_.Load<uint64_t>(At(entry, kAddress), kRelaxed),
                                   .length = window_.Load<uint32_t>(At(entry, kLength), kRelaxed),
                                   .id = window_.Load<uint16_t>(At(entry, kId), kRelaxed),
                                   .flags = window_.Load<uint16_t>(At(entry, kFlags), kRelaxed)});
    }
    chain.id = chain.descriptors.back().id;
    taken_[chain.id] = {.head = head, .last = entry};
    chains_.push_back(std::move(chain));
  }
  // A chain takes as many entries of the ring when it is returned as it took before.
  const uint32_t available = position_.used + descriptors;
  position_.available = static_cast<uint16_t>(available < size ? available : available - size);
  position_.available_wrap = position_.used_wrap == (available < size);
  return absl::OkStatus();
}

void PackedInflight::Append(const PackedDescriptor& descriptor) {
  if (next_ >= links_.size()) return;  // So long a chain is not taken.
  if (next_ == free_) {
    window_.Store<uint16_t>(At(free_, kNumber), 0, kInflightInOrder);
    window_.Store<uint64_t>(At(free_, kCounter), counter_++, kInflightInOrder);
    window_.Store<uint8_t>(At(free_, kInflight), 1, kInflightInOrder);
    appended_ = 0;
  }
  last_ = next_;
  window_.Store<uint16_t>(At(free_, kLast), last_, kInflightInOrder);
  window_.Store<uint16_t>(At(free_, kNumber), ++appended_, kInflightInOrder);
  window_.Store<uint64_t>(At(last_, kAddress), descriptor.address, kInflightInOrder);
  window_.Store<uint32_t>(At(last_, kLength), descriptor.length, kInflightInOrder);
  window_.Store<uint16_t>(At(last_, kFlags), descriptor.flags, kInflightInOrder);
  window_.Store<uint16_t>(At(last_, kId), descriptor.id, kInflightInOrder);
  next_ = links_[next_];
  window_.Store<uint16_t>(kFree, next_, kInflightInOrder);
}

void PackedInflight::Take(uint16_t id) {
  taken_[id] = {.head = free_, .last = last_};
  free_ = next_;
  window_.Store<uint16_t>(kOldFree, free_, kInflightInOrder);
}

void PackedInflight::Unlink(uint16_t id) {
  const Taken& taken = taken_[id];
  links_[taken.last] = free_;
  window_.Store<uint16_t>(At(taken.last, kNext), free_, kInflightInOrder);
  free_ = taken.head;
  window_.Store<uint16_t>(kFree, free_, kInflightInOrder);
}

void PackedInflight::Untake(uint16_t id) {
  Unlink(id);
  window_.Store<uint16_t>(kOldFree, free_, kInflightInOrder);
  Done(id);
}

void PackedInflight::Put(uint16_t id, const QueuePosition& position) {
  Unlink(id);
  position_ = position;
  window_.Store<uint16_t>(kUsed, position.used, kInflightInOrder);
  window_.Store<uint8_t>(kUsedWrap, position.used_wrap ? 1 : 0, kInflightInOrder);
}

void PackedInflight::Done(uint16_t id) const {
  window_.Store<uint8_t>(At(taken_[id].head, kInflight), 0, kInflightInOrder);
}

void PackedInflight::Commit() {
  window_.Store<uint16_t>(kOldFree, free_, kInflightInOrder);
  window_.Store<uint16_t>(kOldUsed, position_.used, kInflightInOrder);
  window_.Store<uint8_t>(kOldUsedWrap, position_.used_wrap ? 1 : 0, kInflightInOrder);
}

}  // namespace touchstone
