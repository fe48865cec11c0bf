#include "devices/pci/range_allocator.h"

#include <algorithm>
#include <utility>

#include "base/checked_math.h"

namespace touchstone {

RangeAllocator::RangeAllocator(std::vector<AddressRange> windows) : windows_(std::move(windows)) {
  std::erase_if(windows_, [](const AddressRange& window) { return !window.valid(); });
}

std::optional<uint64_t> RangeAllocator::Allocate(uint64_t size, uint64_t alignment) {
  for (const AddressRange& window : windows_) {
    std::optional<uint64_t> start = CheckedAlignUp<uint64_t>(window.start, alignment);
    for (const AddressRange& taken : taken_) {
      if (!start.has_value()) break;
      if (!AddressRange{*start, size}.valid() || !taken.Overlaps({*start, size})) continue;
      start = CheckedAdd<uint64_t>(taken.last(), 1);
      if (start.has_value()) start = CheckedAlignUp<uint64_t>(*start, alignment);
    }
    if (!start.has_value()) continue;
    const AddressRange range{*start, size};
    if (!range.valid() || !window.Contains(range)) continue;
    taken_.insert(std::upper_bound(taken_.begin(), taken_.end(), range,
                                   [](const AddressRange& a, const AddressRange& b) {
                                     return a.start < b.start;
                                   }),
                  range);
    return *start;
  }
  return std::nullopt;
}

bool RangeAllocator::Contains(const AddressRange& range) const {
  if (!range.valid()) return false;
  return std::any_of(windows_.begin(), windows_.end(),
                     [&range](const AddressRange& window) { return window.Contains(range); });
}

}  // namespace touchstone
