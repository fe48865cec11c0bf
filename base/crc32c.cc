#include "base/crc32c.h"

#include <array>
#include <cstring>

namespace touchstone {
namespace {

// 0x1EDC6F41, bits reversed.
constexpr uint32_t kPolynomial = 0x82F63B78;

constexpr std::array<uint32_t, 256> MakeTable() {
  std::array<uint32_t, 256> table{};
  for (uint32_t byte = 0; byte < table.size(); ++byte) {
    uint32_t rest = byte;
    for (int bit = 0; bit < 8; ++bit) rest = (rest >> 1) ^ ((rest & 1) != 0 ? kPolynomial : 0);
    table[byte] = rest;
  }
  return table;
}

constexpr std::array<uint32_t, 256> kTable = MakeTable();

#ifdef __x86_64__
__attribute__((target("sse4.2"))) uint32_t FastCrc32c(const uint8_t* bytes, size_t size,
                                                      uint32_t crc) {
  uint64_t wide = crc;
  for (; size >= 8; bytes += 8, size -= 8) {
    uint64_t word;
    memcpy(&word, bytes, sizeof(word));
    wide = __builtin_ia32_crc32di(wide, word);
  }
  crc = static_cast<uint32_t>(wide);
  for (; size > 0; ++bytes, --size) crc = __builtin_ia32_crc32qi(crc, *bytes);
  return crc;
}
#endif

}  // namespace

namespace internal {

uint32_t PortableCrc32c(absl::Span<const uint8_t> bytes, uint32_t before) {
  uint32_t crc = ~before;
  for (const uint8_t byte : bytes) crc = (crc >> 8) ^ kTable[(crc ^ byte) & 0xFF];
  return ~crc;
}

}  // namespace internal

uint32_t Crc32c(absl::Span<const uint8_t> bytes, uint32_t before) {
#ifdef __x86_64__
  static const bool fast = __builtin_cpu_supports("sse4.2");
  if (fast) return ~FastCrc32c(bytes.data(), bytes.size(), ~before);
#endif
  return internal::PortableCrc32c(bytes, before);
}

}  // namespace touchstone
