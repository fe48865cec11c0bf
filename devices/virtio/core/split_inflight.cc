#include "devices/virtio/core/split_inflight.h"

#include <algorithm>
#include <atomic>
#include <utility>

#include "absl/status/status.h"
#include "base/status.h"
#include "devices/virtio/core/inflight_layout.h"

namespace touchstone {
namespace {

constexpr uint32_t kLastBatch = 12;
constexpr uint32_t kUsedIndex = 14;
constexpr uint32_t kEntries = 16;
constexpr uint32_t kEntrySize = 16;
// Of an entry.
constexpr uint32_t kInflight = 0;
constexpr uint32_t kNext = 6;
constexpr uint32_t kCounter = 8;

constexpr uint32_t At(uint16_t head, uint32_t field) {
  return kEntries + head * kEntrySize + field;
}

}  // namespace

absl::StatusOr<SplitInflight> SplitInflight::Create(GuestWindow window, uint32_t size,
                                                    uint16_t used_index,
                                                    const QueuePosition& position) {
  const auto entries = static_cast<uint32_t>((window.size() - kEntries) / kEntrySize);
  ASSIGN_OR_RETURN(const bool is_new, IsNewInflight(window, entries, size));
  SplitInflight self(std::move(window));
  if (is_new) {
    RETURN_IF_ERROR(self.Begin(entries, position));
    return self;
  }
  RETURN_IF_ERROR(self.Recover(size, used_index));
  return self;
}

absl::Status SplitInflight::Begin(uint32_t entries, const QueuePosition& position) {
  if (position.available != position.used) {
    return absl::InvalidArgumentError("a new inflight region for a ring with chains in flight");
  }
  position_ = position;
  for (uint32_t i = 0; i < entries; ++i) {
    window_.Store<uint8_t>(At(static_cast<uint16_t>(i), kInflight), 0, std::memory_order_relaxed);
  }
  window_.Store<uint16_t>(kInflightEntriesAt, static_cast<uint16_t>(entries), kInflightInOrder);
  window_.Store<uint16_t>(kLastBatch, 0, kInflightInOrder);
  window_.Store<uint16_t>(kUsedIndex, position.used, kInflightInOrder);
  window_.Store<uint16_t>(kInflightVersionAt, kInflightVersion, kInflightInOrder);
  return absl::OkStatus();
}

// "When reconnecting", of split virtqueues.
absl::Status SplitInflight::Recover(uint32_t size, uint16_t used_index) {
  const auto stored_used = window_.Load<uint16_t>(kUsedIndex, std::memory_order_relaxed);
  const auto batch = static_cast<uint16_t>(used_index - stored_used);
  if (batch > size) {
    return absl::InvalidArgumentError("the used index is not what the inflight region knows");
  }
  // The driver has the last batch back, of which not all was noted.
  last_batch_ = window_.Load<uint16_t>(kLastBatch, std::memory_order_relaxed);
  uint16_t head = last_batch_;
  for (uint16_t i = 0; i < batch; ++i) {
    if (head >= size) return absl::InvalidArgumentError("the last batch has no such descriptor");
    Done(head);
    head = window_.Load<uint16_t>(At(head, kNext), std::memory_order_relaxed);
  }
  SetUsed(used_index);
  std::vector<std::pair<uint64_t, uint16_t>> found;
  for (uint32_t i = 0; i < size; ++i) {
    const auto index = static_cast<uint16_t>(i);
    if (window_.Load<uint8_t>(At(index, kInflight), std::memory_order_relaxed) != 1) continue;
    found.emplace_back(window_.Load<uint64_t>(At(index, kCounter), std::memory_order_relaxed),
                       index);
  }
  std::sort(found.begin(), found.end());
  for (const auto& [counter, index] : found) heads_.push_back(index);
  counter_ = found.empty() ? 0 : found.back().first + 1;
  position_ = {.available = static_cast<uint16_t>(used_index + found.size()), .used = used_index};
  return absl::OkStatus();
}

void SplitInflight::Take(uint16_t head) {
  window_.Store<uint64_t>(At(head, kCounter), counter_++, kInflightInOrder);
  window_.Store<uint8_t>(At(head, kInflight), 1, kInflightInOrder);
}

void SplitInflight::Untake(uint16_t head) { Done(head); }

void SplitInflight::Put(uint16_t head) {
  window_.Store<uint16_t>(At(head, kNext), last_batch_, kInflightInOrder);
  last_batch_ = head;
  window_.Store<uint16_t>(kLastBatch, head, kInflightInOrder);
}

void SplitInflight::Done(uint16_t head) const {
  window_.Store<uint8_t>(At(head, kInflight), 0, kInflightInOrder);
}

void SplitInflight::SetUsed(uint16_t used_index) const {
  window_.Store<uint16_t>(kUsedIndex, used_index, kInflightInOrder);
}

}  // namespace touchstone
