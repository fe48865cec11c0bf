// A guest-physical address: a type of its own, so that it never mixes with host pointers, sizes or
// offsets.

#ifndef TOUCHSTONE_BASE_MEMORY_GUEST_ADDRESS_H_
#define TOUCHSTONE_BASE_MEMORY_GUEST_ADDRESS_H_

#include <cstdint>
#include <optional>

#include "base/checked_math.h"

namespace touchstone {

enum class GuestAddress : uint64_t {};

[[nodiscard]] constexpr uint64_t Raw(GuestAddress address) {
  return static_cast<uint64_t>(address);
}

// Wraps at 2^64; use CheckedAdd for what comes from outside.
[[nodiscard]] constexpr GuestAddress operator+(GuestAddress address, uint64_t offset) {
  return GuestAddress{Raw(address) + offset};
}

// The distance in bytes. REQUIRES: a >= b.
[[nodiscard]] constexpr uint64_t operator-(GuestAddress a, GuestAddress b) {
  return Raw(a) - Raw(b);
}

[[nodiscard]] constexpr std::optional<GuestAddress> CheckedAdd(GuestAddress address,
                                                               uint64_t offset) {
  const std::optional<uint64_t> sum = CheckedAdd<uint64_t>(Raw(address), offset);
  if (!sum.has_value()) return std::nullopt;
  return GuestAddress{*sum};
}

}  // namespace touchstone

#endif  // TOUCHSTONE_BASE_MEMORY_GUEST_ADDRESS_H_
