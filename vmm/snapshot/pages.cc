#include "vmm/snapshot/pages.h"

#include <algorithm>
#include <array>
#include <cstring>

#include "base/crc32c.h"
#include "base/memory/guest_memory.h"
#include "base/status.h"
#include "vmm/snapshot/memory_map.h"

namespace touchstone {
namespace {

uint32_t Compute(uint64_t zeros) {
  static constexpr std::array<uint8_t, kGuestPageSize> kZeros{};
  uint32_t checksum = 0;
  for (uint64_t size = 0; zeros > 0; zeros -= size) {
    size = std::min<uint64_t>(zeros, kZeros.size());
    checksum = Crc32c({kZeros.data(), size}, checksum);
  }
  return checksum;
}

}  // namespace

uint32_t ChecksumOfZeros(uint64_t size) {
  static const uint32_t chunk = Compute(MemoryMap::kChunkSize);
  return size == MemoryMap::kChunkSize ? chunk : Compute(size);
}

// Each byte is like the one before it, and the first is 0.
bool AllZeros(absl::Span<const uint8_t> bytes) {
  return bytes.empty() ||
         (bytes[0] == 0 && memcmp(bytes.data(), bytes.data() + 1, bytes.size() - 1) == 0);
}

absl::Status ForEachDataRun(absl::Span<const uint8_t> bytes,
                            const std::function<absl::Status(uint64_t, uint64_t)>& visit) {
  uint64_t start = 0;
  uint64_t end = 0;  // Of the run so far.
  for (uint64_t page = 0; page < bytes.size(); page += kGuestPageSize) {
    if (AllZeros(bytes.subspan(page, kGuestPageSize))) continue;
    if (page != end) {
      if (end != start) RETURN_IF_ERROR(visit(start, end - start));
      start = page;
    }
    end = page + kGuestPageSize;
  }
  return end == start ? absl::OkStatus() : visit(start, end - start);
}

}  // namespace touchstone
