// Gives out aligned pieces of address windows, for the BARs at set-up.
//
// First fit, lowest address first, never given back. Thread-compatible.

#ifndef TOUCHSTONE_DEVICES_PCI_RANGE_ALLOCATOR_H_
#define TOUCHSTONE_DEVICES_PCI_RANGE_ALLOCATOR_H_

#include <cstdint>
#include <optional>
#include <vector>

#include "devices/bus/address_range.h"

namespace touchstone {

class RangeAllocator {
 public:
  // Windows that are not valid (a size of 0, say) hold nothing.
  explicit RangeAllocator(std::vector<AddressRange> windows);

  // Where `size` bytes were allocated, or nothing when no window has room. REQUIRES: `alignment` is
  // a power of two, `size` is not 0.
  std::optional<uint64_t> Allocate(uint64_t size, uint64_t alignment);

  // True when `range` lies inside one window.
  [[nodiscard]] bool Contains(const AddressRange& range) const;

  [[nodiscard]] const std::vector<AddressRange>& windows() const { return windows_; }

 private:
  std::vector<AddressRange> windows_;
  std::vector<AddressRange> taken_;  // Sorted by start.
};

}  // namespace touchstone

#endif  // TOUCHSTONE_DEVICES_PCI_RANGE_ALLOCATOR_H_
