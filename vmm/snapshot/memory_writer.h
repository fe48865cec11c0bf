// Writes guest memory to the memory file of a snapshot, a few chunks at a time.
//
//   ASSIGN_OR_RETURN(MemoryWriter writer, MemoryWriter::Create(memory, file.fd(), compress));
//   while (!writer.done()) RETURN_IF_ERROR(writer.WriteSome());
//   Save(writer.map());
//
// Pages of zeros are not written: they are holes of a raw file. Where the host knows holes (a
// memfd), they are not even looked at. Nobody may write to the memory meanwhile: the map's
// checksums are of the bytes that were written.
//
// Ownership: the file is borrowed. Threads: thread-compatible. All system calls are of the own
// threads' policies (vmm/jail/builtin_policies.cc): lseek, pwrite64, ftruncate.

#ifndef TOUCHSTONE_VMM_SNAPSHOT_MEMORY_WRITER_H_
#define TOUCHSTONE_VMM_SNAPSHOT_MEMORY_WRITER_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/memory/guest_memory.h"
#include "vmm/snapshot/compression.h"
#include "vmm/snapshot/memory_map.h"

namespace touchstone {

class MemoryWriter {
 public:
  // Chunks that one call looks at, without those that are known to be zeros: some milliseconds of
  // work.
  static constexpr int kChunksAtOnce = 8;

  // `fd` is an empty regular file. Gives a raw file its size.
  static absl::StatusOr<MemoryWriter> Create(GuestMemory memory, int fd, bool compress);

  // Errors name the call: the disk is full, the memory file's file system has a lower limit.
  absl::Status WriteSome();

  [[nodiscard]] bool done() const { return next_ == map_.chunks().size(); }
  // Of guest memory, in bytes.
  [[nodiscard]] uint64_t bytes_done() const { return bytes_done_; }
  // Complete when it is done.
  [[nodiscard]] const MemoryMap& map() const { return map_; }

 private:
  MemoryWriter(GuestMemory memory, int fd, bool compress);

  // Whether the host says that there is nothing but zeros in the chunk.
  bool IsHole(const MemoryMap::Chunk& chunk);
  absl::Status Write(MemoryMap::Chunk& chunk);
  absl::Status WritePages(const MemoryMap::Chunk& chunk);
  absl::Status WriteFrame(MemoryMap::Chunk& chunk);

  GuestMemory memory_;
  int fd_;
  MemoryMap map_;
  size_t next_ = 0;
  uint64_t bytes_done_ = 0;
  uint64_t frames_end_ = 0;
  std::vector<uint8_t> buffer_;
  std::unique_ptr<Compressor> compressor_;  // Null: a raw file.
};

}  // namespace touchstone

#endif  // TOUCHSTONE_VMM_SNAPSHOT_MEMORY_WRITER_H_
