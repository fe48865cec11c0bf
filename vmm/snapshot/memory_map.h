// The map of a snapshot's memory: which guest memory there was, and where its bytes are in the
// memory file.
//
// Memory is cut into chunks of 2 MiB, each region from its start on; the last chunk of a region may
// be shorter. Regions that are the user's own files (pstore, file-backed mappings) keep their bytes
// there, as disks do, and have no chunks.
//
// A raw file is made to be mapped. Pages of zeros are holes.
//
//   0                     +------------------------+
//                         | first region           |
//   the next 2 MiB        +------------------------+
//                         | second region          |
//   end of the last one   +------------------------+
//
// A compressed file is one Zstandard frame after the other, for each chunk that is not all zeros.
//
// Values: thread-compatible.

#ifndef TOUCHSTONE_VMM_SNAPSHOT_MEMORY_MAP_H_
#define TOUCHSTONE_VMM_SNAPSHOT_MEMORY_MAP_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "base/memory/guest_address.h"
#include "base/memory/guest_memory.h"

namespace touchstone {

class MemoryMap {
 public:
  static constexpr uint64_t kChunkSize = uint64_t{2} << 20;

  struct Region {
    GuestAddress start{};
    uint64_t size = 0;
    bool of_user = false;

    bool operator==(const Region&) const = default;
  };

  struct Chunk {
    GuestAddress start{};
    uint64_t size = 0;
    uint64_t file_offset = 0;
    // Bytes in the file: `size`, or when compressed those of its frame.
    uint64_t file_size = 0;
    uint32_t checksum = 0;
  };

  MemoryMap() = default;
  // That of a machine's memory. Checksums, and sizes of frames, are yet to be set.
  MemoryMap(const GuestMemory& memory, bool compressed);

  // What a snapshot says. DataLoss when it contradicts itself or the size of the memory file.
  static absl::StatusOr<MemoryMap> Parse(absl::string_view bytes, uint64_t file_size);
  [[nodiscard]] std::string Serialize() const;

  // FailedPrecondition, with both maps in words, when `memory` is not like that.
  [[nodiscard]] absl::Status CheckAgainst(const GuestMemory& memory) const;

  [[nodiscard]] const std::vector<Region>& regions() const { return regions_; }
  [[nodiscard]] const std::vector<Chunk>& chunks() const { return chunks_; }
  // For who writes the file.
  [[nodiscard]] std::vector<Chunk>& chunks() { return chunks_; }
  [[nodiscard]] bool compressed() const { return compressed_; }
  // Of a raw file, or of the frames that are known.
  [[nodiscard]] uint64_t file_size() const;
  // Guest memory that has chunks.
  [[nodiscard]] uint64_t total_size() const;

 private:
  absl::Status CheckRegions() const;
  void CutIntoChunks();

  std::vector<Region> regions_;
  std::vector<Chunk> chunks_;
  bool compressed_ = false;
};

}  // namespace touchstone

#endif  // TOUCHSTONE_VMM_SNAPSHOT_MEMORY_MAP_H_
