// A range of ports or addresses: where it starts and how many it has.

#ifndef TOUCHSTONE_DEVICES_BUS_ADDRESS_RANGE_H_
#define TOUCHSTONE_DEVICES_BUS_ADDRESS_RANGE_H_

#include <cstdint>
#include <string>

#include "absl/strings/str_format.h"

namespace touchstone {

// Plain data. A range is valid when it is not empty and its last address fits in 64 bits; the other
// functions require valid ranges.
struct AddressRange {
  uint64_t start = 0;
  uint64_t size = 0;

  [[nodiscard]] constexpr bool valid() const {
    return size != 0 && start <= ~uint64_t{0} - (size - 1);
  }
  // The last address inside: unlike an end it always fits in 64 bits.
  [[nodiscard]] constexpr uint64_t last() const { return start + (size - 1); }
  [[nodiscard]] constexpr bool Contains(uint64_t address) const {
    return address >= start && address <= last();
  }
  [[nodiscard]] constexpr bool Contains(const AddressRange& other) const {
    return other.start >= start && other.last() <= last();
  }
  [[nodiscard]] constexpr bool Overlaps(const AddressRange& other) const {
    return start <= other.last() && other.start <= last();
  }

  friend constexpr bool operator==(const AddressRange&, const AddressRange&) = default;
};

// "[0x3f8, 0x3ff]", or the raw numbers of a range that is not valid.
inline std::string ToString(const AddressRange& range) {
  if (!range.valid()) return absl::StrFormat("0x%x + 0x%x", range.start, range.size);
  return absl::StrFormat("[0x%x, 0x%x]", range.start, range.last());
}

}  // namespace touchstone

#endif  // TOUCHSTONE_DEVICES_BUS_ADDRESS_RANGE_H_
