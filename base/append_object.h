// Objects as bytes at the end of a string or vector: how files and messages are put together.

#ifndef TOUCHSTONE_BASE_APPEND_OBJECT_H_
#define TOUCHSTONE_BASE_APPEND_OBJECT_H_

#include <type_traits>

namespace touchstone {

// Appends the bytes of `object`, whose numbers have their byte order (base/endian.h), to a
// container of bytes.
template <typename Bytes, typename T>
void AppendObject(Bytes& to, const T& object) {
  using Byte = typename Bytes::value_type;
  static_assert(sizeof(Byte) == 1 && std::is_trivially_copyable_v<T>);
  const auto* const bytes = reinterpret_cast<const Byte*>(&object);
  to.insert(to.end(), bytes, bytes + sizeof(T));
}

}  // namespace touchstone

#endif  // TOUCHSTONE_BASE_APPEND_OBJECT_H_
