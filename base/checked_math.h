// Arithmetic that says when it overflows, for sizes and addresses that come from outside.

#ifndef TOUCHSTONE_BASE_CHECKED_MATH_H_
#define TOUCHSTONE_BASE_CHECKED_MATH_H_

#include <bit>
#include <concepts>
#include <optional>

namespace touchstone {

template <std::integral T>
[[nodiscard]] constexpr std::optional<T> CheckedAdd(T a, T b) {
  T result;
  if (__builtin_add_overflow(a, b, &result)) return std::nullopt;
  return result;
}

template <std::integral T>
[[nodiscard]] constexpr std::optional<T> CheckedSub(T a, T b) {
  T result;
  if (__builtin_sub_overflow(a, b, &result)) return std::nullopt;
  return result;
}

template <std::integral T>
[[nodiscard]] constexpr std::optional<T> CheckedMul(T a, T b) {
  T result;
  if (__builtin_mul_overflow(a, b, &result)) return std::nullopt;
  return result;
}

// REQUIRES: `alignment` is a power of two.
template <std::unsigned_integral T>
[[nodiscard]] constexpr T AlignDown(T value, T alignment) {
  return value & ~(alignment - 1);
}

// The next multiple of `alignment`, or nothing when it does not fit. REQUIRES: `alignment` is a
// power of two.
template <std::unsigned_integral T>
[[nodiscard]] constexpr std::optional<T> CheckedAlignUp(T value, T alignment) {
  const std::optional<T> sum = CheckedAdd<T>(value, alignment - 1);
  if (!sum.has_value()) return std::nullopt;
  return AlignDown(*sum, alignment);
}

template <std::unsigned_integral T>
[[nodiscard]] constexpr bool IsAligned(T value, T alignment) {
  return (value & (alignment - 1)) == 0;
}

// True when [offset, offset + size) lies inside [0, limit).
template <std::unsigned_integral T>
[[nodiscard]] constexpr bool FitsWithin(T offset, T size, T limit) {
  return offset <= limit && size <= limit - offset;
}

}  // namespace touchstone

#endif  // TOUCHSTONE_BASE_CHECKED_MATH_H_
