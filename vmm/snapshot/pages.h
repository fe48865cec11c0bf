// Pages of zeros, which snapshots leave out.

#ifndef TOUCHSTONE_VMM_SNAPSHOT_PAGES_H_
#define TOUCHSTONE_VMM_SNAPSHOT_PAGES_H_

#include <cstdint>
#include <functional>

#include "absl/status/status.h"
#include "absl/types/span.h"

namespace touchstone {

[[nodiscard]] bool AllZeros(absl::Span<const uint8_t> bytes);

// The CRC-32C of so many zeros.
[[nodiscard]] uint32_t ChecksumOfZeros(uint64_t size);

// Calls visit(offset, size) for each run of pages of `bytes` that are not all zeros, in order; ends
// at the first error. REQUIRES: whole pages. Thread-safe.
absl::Status ForEachDataRun(absl::Span<const uint8_t> bytes,
                            const std::function<absl::Status(uint64_t, uint64_t)>& visit);

}  // namespace touchstone

#endif  // TOUCHSTONE_VMM_SNAPSHOT_PAGES_H_
