#include "devices/virtio/core/inflight_layout.h"

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"

namespace touchstone {

absl::StatusOr<bool> IsNewInflight(const GuestWindow& region, uint32_t entries, uint32_t size) {
  if (size > entries) {
    return absl::InvalidArgumentError(
        absl::StrCat("an inflight region of ", entries, " entries for a ring of ", size));
  }
  const auto version = region.Load<uint16_t>(kInflightVersionAt, std::memory_order_relaxed);
  if (version == 0) return true;
  const auto their_entries = region.Load<uint16_t>(kInflightEntriesAt, std::memory_order_relaxed);
  if (version == kInflightVersion && their_entries == entries) return false;
  return absl::InvalidArgumentError(absl::StrCat("an inflight region of version ", version,
                                                 " with ", their_entries, " entries, not ",
                                                 entries));
}

}  // namespace touchstone
