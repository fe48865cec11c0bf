// Integers of a stated byte order for wire, table and guest-memory structs.
//
//   struct Descriptor { Le64 address; Le32 length; Le16 flags; Le16 next; };
//   static_assert(sizeof(Descriptor) == 16);
//
// They have alignment 1 and are trivially copyable, so structs of them have no padding and may be
// read from any offset.

#ifndef TOUCHSTONE_BASE_ENDIAN_H_
#define TOUCHSTONE_BASE_ENDIAN_H_

#include <bit>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <cstring>

#include "absl/types/span.h"

namespace touchstone {
namespace internal {

template <std::unsigned_integral T>
constexpr T ByteSwap(T value) {
  if constexpr (sizeof(T) == 1) return value;
  if constexpr (sizeof(T) == 2) return __builtin_bswap16(value);
  if constexpr (sizeof(T) == 4) return __builtin_bswap32(value);
  if constexpr (sizeof(T) == 8) return __builtin_bswap64(value);
}

template <std::unsigned_integral T, std::endian kOrder>
class Ordered {
 public:
  constexpr Ordered() = default;
  // Implicit on purpose: these stand in for plain integers in structs.
  constexpr Ordered(T value) : bytes_(std::bit_cast<Bytes>(Swap(value))) {}  // NOLINT
  constexpr operator T() const { return get(); }                             // NOLINT
  [[nodiscard]] constexpr T get() const { return Swap(std::bit_cast<T>(bytes_)); }

 private:
  struct Bytes {
    unsigned char data[sizeof(T)];
  };
  static constexpr T Swap(T value) {
    return kOrder == std::endian::native ? value : ByteSwap(value);
  }
  Bytes bytes_{};
};

}  // namespace internal

using Le16 = internal::Ordered<uint16_t, std::endian::little>;
using Le32 = internal::Ordered<uint32_t, std::endian::little>;
using Le64 = internal::Ordered<uint64_t, std::endian::little>;
using Be16 = internal::Ordered<uint16_t, std::endian::big>;
using Be32 = internal::Ordered<uint32_t, std::endian::big>;
using Be64 = internal::Ordered<uint64_t, std::endian::big>;

// The little-endian value of up to 8 bytes; bytes beyond the eighth are ignored.
constexpr uint64_t LoadLe(absl::Span<const uint8_t> bytes) {
  uint64_t value = 0;
  for (size_t i = 0; i < bytes.size() && i < 8; ++i) value |= uint64_t{bytes[i]} << (8 * i);
  return value;
}

// Stores the low bytes of `value`; bytes beyond the eighth become 0.
constexpr void StoreLe(uint64_t value, absl::Span<uint8_t> bytes) {
  for (size_t i = 0; i < bytes.size(); ++i) {
    bytes[i] = i < 8 ? static_cast<uint8_t>(value >> (8 * i)) : 0;
  }
}

}  // namespace touchstone

#endif  // TOUCHSTONE_BASE_ENDIAN_H_
