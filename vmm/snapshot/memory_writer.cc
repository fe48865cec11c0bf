#include "vmm/snapshot/memory_writer.h"

#include <errno.h>
#include <sys/types.h>
#include <unistd.h>

#include <algorithm>
#include <utility>

#include "absl/types/span.h"
#include "base/crc32c.h"
#include "base/status.h"
#include "vmm/snapshot/pages.h"

namespace touchstone {
namespace {

absl::Status WriteAll(int fd, absl::Span<const uint8_t> bytes, uint64_t file_offset) {
  while (!bytes.empty()) {
    const ssize_t size = pwrite(fd, bytes.data(), bytes.size(), static_cast<off_t>(file_offset));
    if (size < 0 && errno == EINTR) continue;
    if (size <= 0) return ErrnoStatus(size == 0 ? ENOSPC : errno, "write of guest memory");
    bytes.remove_prefix(static_cast<size_t>(size));
    file_offset += static_cast<uint64_t>(size);
  }
  return absl::OkStatus();
}

}  // namespace

MemoryWriter::MemoryWriter(GuestMemory memory, int fd, bool compress)
    : memory_(std::move(memory)),
      fd_(fd),
      map_(memory_, compress),
      buffer_(MemoryMap::kChunkSize) {}

absl::StatusOr<MemoryWriter> MemoryWriter::Create(GuestMemory memory, int fd, bool compress) {
  MemoryWriter writer(std::move(memory), fd, compress);
  if (compress) {
    ASSIGN_OR_RETURN(writer.compressor_, Compressor::Create());
  } else if (ftruncate(fd, static_cast<off_t>(writer.map_.file_size())) != 0) {
    return ErrnoStatus(errno, "ftruncate of the memory file");
  }
  return writer;
}

bool MemoryWriter::IsHole(const MemoryMap::Chunk& chunk) {
  const absl::Span<const GuestMemory::Region> regions = memory_.regions();
  const auto region = std::find_if(regions.begin(), regions.end(), [&](const auto& candidate) {
    return candidate.start <= chunk.start && chunk.start - candidate.start < candidate.size;
  });
  if (region == regions.end() || region->fd < 0) return false;
  const uint64_t at = region->file_offset + (chunk.start - region->start);
  const off_t data = lseek(region->fd, static_cast<off_t>(at), SEEK_DATA);
  if (data < 0) return errno == ENXIO;
  return static_cast<uint64_t>(data) >= at + chunk.size;
}

absl::Status MemoryWriter::WriteSome() {
  for (int looked_at = 0; looked_at < kChunksAtOnce && !done(); ++next_) {
    MemoryMap::Chunk& chunk = map_.chunks()[next_];
    if (IsHole(chunk)) {
      chunk.checksum = ChecksumOfZeros(chunk.size);
      if (compressor_ != nullptr) chunk.file_offset = frames_end_;
    } else {
      ++looked_at;
      RETURN_IF_ERROR(Write(chunk));
    }
    bytes_done_ += chunk.size;
  }
  return absl::OkStatus();
}

absl::Status MemoryWriter::Write(MemoryMap::Chunk& chunk) {
  buffer_.resize(chunk.size);
  RETURN_IF_ERROR(memory_.Read(chunk.start, absl::MakeSpan(buffer_)));
  if (compressor_ != nullptr) chunk.file_offset = frames_end_;
  if (AllZeros(buffer_)) {
    chunk.checksum = ChecksumOfZeros(chunk.size);
    return absl::OkStatus();
  }
  chunk.checksum = Crc32c(buffer_);
  return compressor_ == nullptr ? WritePages(chunk) : WriteFrame(chunk);
}

absl::Status MemoryWriter::WritePages(const MemoryMap::Chunk& chunk) {
  return ForEachDataRun(buffer_, [&](uint64_t offset, uint64_t size) {
    return WriteAll(fd_, absl::MakeConstSpan(buffer_).subspan(offset, size),
                    chunk.file_offset + offset);
  });
}

absl::Status MemoryWriter::WriteFrame(MemoryMap::Chunk& chunk) {
  ASSIGN_OR_RETURN(const absl::Span<const uint8_t> frame, compressor_->Compress(buffer_));
  chunk.file_size = frame.size();
  frames_end_ += frame.size();
  return WriteAll(fd_, frame, chunk.file_offset);
}

}  // namespace touchstone
