#include "vmm/snapshot/memory_reader.h"

#include <errno.h>
#include <sys/types.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <memory>
#include <thread>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/strings/str_format.h"
#include "base/crc32c.h"
#include "base/mutex.h"
#include "base/status.h"
#include "vmm/snapshot/compression.h"
#include "vmm/snapshot/pages.h"

namespace touchstone {
namespace {

absl::Status Broken(const MemoryMap::Chunk& chunk, absl::string_view why) {
  return absl::DataLossError(
      absl::StrFormat("its memory at %#x + %#x is broken: %s", Raw(chunk.start), chunk.size, why));
}

class Reader {
 public:
  Reader(const MemoryMap& map, int fd, const ChunkVisitor& visit)
      : map_(map), fd_(fd), visit_(visit) {}

  // What each thread does.
  void Run() {
    Worker worker;
    if (map_.compressed()) {
      absl::StatusOr<std::unique_ptr<Decompressor>> decompressor = Decompressor::Create();
      if (!decompressor.ok()) return Fail(decompressor.status());
      worker.decompressor = *std::move(decompressor);
    }
    while (!failed_) {
      // Relaxed: a number of its own is all that a thread needs.
      const size_t next = next_.fetch_add(1, std::memory_order_relaxed);
      if (next >= map_.chunks().size()) return;
      if (absl::Status status = Read(map_.chunks()[next], worker); !status.ok()) Fail(status);
    }
  }

  absl::Status status() {
    MutexLock lock(mutex_);
    return status_;
  }

 private:
  struct Worker {
    std::vector<uint8_t> bytes;
    std::vector<uint8_t> frame;
    std::unique_ptr<Decompressor> decompressor;
  };

  void Fail(const absl::Status& status) {
    MutexLock lock(mutex_);
    if (status_.ok()) status_ = status;
    failed_ = true;
  }

  // A chunk that is not in the file.
  bool IsHole(const MemoryMap::Chunk& chunk) const {
    if (map_.compressed()) return chunk.file_size == 0;
    const off_t data = lseek(fd_, static_cast<off_t>(chunk.file_offset), SEEK_DATA);
    if (data < 0) return errno == ENXIO;
    return static_cast<uint64_t>(data) >= chunk.file_offset + chunk.size;
  }

  absl::Status ReadFile(const MemoryMap::Chunk& chunk, std::vector<uint8_t>& to) const {
    to.resize(chunk.file_size);
    uint64_t done = 0;
    while (done < to.size()) {
      const ssize_t size = pread(fd_, to.data() + done, to.size() - done,
                                 static_cast<off_t>(chunk.file_offset + done));
      if (size < 0 && errno == EINTR) continue;
      if (size < 0) return ErrnoStatus(errno, "read of the memory file");
      if (size == 0) return Broken(chunk, "the file ends before");
      done += static_cast<uint64_t>(size);
    }
    return absl::OkStatus();
  }

  absl::Status Read(const MemoryMap::Chunk& chunk, Worker& worker) const {
    if (IsHole(chunk)) {
      if (chunk.checksum == ChecksumOfZeros(chunk.size)) return absl::OkStatus();
      return Broken(chunk, "it is missing");
    }
    if (map_.compressed()) {
      RETURN_IF_ERROR(ReadFile(chunk, worker.frame));
      worker.bytes.resize(chunk.size);
      if (const absl::Status status =
              worker.decompressor->Decompress(worker.frame, absl::MakeSpan(worker.bytes));
          !status.ok()) {
        return Broken(chunk, status.message());
      }
    } else {
      RETURN_IF_ERROR(ReadFile(chunk, worker.bytes));
    }
    if (Crc32c(worker.bytes) != chunk.checksum) return Broken(chunk, "its checksum is wrong");
    return visit_(chunk, worker.bytes);
  }

  const MemoryMap& map_;
  const int fd_;
  const ChunkVisitor& visit_;
  std::atomic<size_t> next_{0};
  std::atomic<bool> failed_{false};
  Mutex mutex_;
  absl::Status status_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace

absl::Status ReadChunks(const MemoryMap& map, int fd, const ChunkVisitor& visit) {
  Reader reader(map, fd, visit);
  const size_t wanted =
      std::min<size_t>({kReaderThreads, std::max(1u, std::thread::hardware_concurrency()),
                        std::max<size_t>(1, map.chunks().size())});
  std::vector<std::thread> helpers;
  while (helpers.size() + 1 < wanted) helpers.emplace_back([&reader] { reader.Run(); });
  reader.Run();
  for (std::thread& helper : helpers) helper.join();
  return reader.status();
}

}  // namespace touchstone
