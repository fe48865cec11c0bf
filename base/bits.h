// Names for bit positions and fields of registers.

#ifndef TOUCHSTONE_BASE_BITS_H_
#define TOUCHSTONE_BASE_BITS_H_

#include <concepts>
#include <cstdint>

namespace touchstone {

// The value with only bit `n` set.
template <std::unsigned_integral T = uint32_t>
[[nodiscard]] constexpr T Bit(int n) {
  return static_cast<T>(T{1} << n);
}

// The mask of bits `high` to `low`, both included.
template <std::unsigned_integral T = uint32_t>
[[nodiscard]] constexpr T Mask(int high, int low) {
  const T all = static_cast<T>(~T{0});  // small types are promoted to a negative int by ~
  return static_cast<T>((all >> (sizeof(T) * 8 - 1 - high)) & (all << low));
}

// The field of bits `high` to `low` of `value`, shifted to bit 0.
template <std::unsigned_integral T>
[[nodiscard]] constexpr T Field(T value, int high, int low) {
  return static_cast<T>((value & Mask<T>(high, low)) >> low);
}

}  // namespace touchstone

#endif  // TOUCHSTONE_BASE_BITS_H_
