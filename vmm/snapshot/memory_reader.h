// Reads a snapshot's memory file, whose chunks are compared with their checksums.

#ifndef TOUCHSTONE_VMM_SNAPSHOT_MEMORY_READER_H_
#define TOUCHSTONE_VMM_SNAPSHOT_MEMORY_READER_H_

#include <cstdint>
#include <functional>

#include "absl/status/status.h"
#include "absl/types/span.h"
#include "vmm/snapshot/memory_map.h"

namespace touchstone {

// What becomes of a chunk that is not all zeros. Called by several threads at once, for each chunk
// once; the bytes are valid during the call.
using ChunkVisitor =
    std::function<absl::Status(const MemoryMap::Chunk& chunk, absl::Span<const uint8_t> bytes)>;

// Reads all chunks of the memory file `fd`, with no more than kReaderThreads threads and a buffer
// for each. DataLoss for what cannot be what was written, the first error there is otherwise; part
// of the chunks are visited then. Returns when all its threads have ended.
absl::Status ReadChunks(const MemoryMap& map, int fd, const ChunkVisitor& visit);

inline constexpr unsigned kReaderThreads = 4;

}  // namespace touchstone

#endif  // TOUCHSTONE_VMM_SNAPSHOT_MEMORY_READER_H_
