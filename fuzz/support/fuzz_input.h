// Reads a fuzz input from its front: fixed-width integers and byte strings, so that seeds can be
// written by hand and a mutation in the middle leaves the rest as it was.
//
//   FuzzInput input(data, size);
//   while (!input.empty()) {
//     switch (input.U8() % 3) { case 0: bus.Read(input.U16(), ...); ... }
//   }
//
// Behind the end integers are 0 and byte strings are short. Thread-compatible.

#ifndef TOUCHSTONE_FUZZ_SUPPORT_FUZZ_INPUT_H_
#define TOUCHSTONE_FUZZ_SUPPORT_FUZZ_INPUT_H_

#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "absl/types/span.h"
#include "base/endian.h"

namespace touchstone {

class FuzzInput {
 public:
  FuzzInput(const uint8_t* data, size_t size) : rest_(data, size) {}
  explicit FuzzInput(absl::Span<const uint8_t> bytes) : rest_(bytes) {}

  [[nodiscard]] bool empty() const { return rest_.empty(); }
  [[nodiscard]] size_t size() const { return rest_.size(); }

  uint8_t U8() { return static_cast<uint8_t>(LoadLe(Bytes(1))); }
  uint16_t U16() { return static_cast<uint16_t>(LoadLe(Bytes(2))); }
  uint32_t U32() { return static_cast<uint32_t>(LoadLe(Bytes(4))); }
  uint64_t U64() { return LoadLe(Bytes(8)); }
  bool Bool() { return U8() % 2 != 0; }

  // The next `size` bytes, or as many as there are.
  absl::Span<const uint8_t> Bytes(size_t size) {
    const absl::Span<const uint8_t> bytes = rest_.first(std::min(size, rest_.size()));
    rest_.remove_prefix(bytes.size());
    return bytes;
  }
  absl::Span<const uint8_t> Rest() { return Bytes(rest_.size()); }

 private:
  absl::Span<const uint8_t> rest_;
};

}  // namespace touchstone

#endif  // TOUCHSTONE_FUZZ_SUPPORT_FUZZ_INPUT_H_
