// CRC-32C (Castagnoli), the checksum of iSCSI, ext4 and SCTP (RFC 3720, 12.1 and B.4).
//
//   uint32_t crc = Crc32c(header);
//   crc = Crc32c(payload, crc);   // of both, one after the other
//
// With the processor's own instruction (SSE4.2) where it has one. Thread-safe.

#ifndef TOUCHSTONE_BASE_CRC32C_H_
#define TOUCHSTONE_BASE_CRC32C_H_

#include <cstdint>

#include "absl/types/span.h"

namespace touchstone {

// The checksum of `bytes`, which come after what `before` is the checksum of.
uint32_t Crc32c(absl::Span<const uint8_t> bytes, uint32_t before = 0);

namespace internal {

// What processors without the instruction do.
uint32_t PortableCrc32c(absl::Span<const uint8_t> bytes, uint32_t before);

}  // namespace internal
}  // namespace touchstone

#endif  // TOUCHSTONE_BASE_CRC32C_H_
