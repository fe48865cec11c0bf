#include "devices/virtio/block/block_open.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "base/log.h"
#include "base/status.h"
#include "devices/virtio/block/block_config.h"
#include "devices/virtio/block/disk_file.h"
#include "devices/virtio/block/io_threads.h"
#include "devices/virtio/block/thread_io.h"
#include "devices/virtio/block/uring_io.h"

namespace touchstone {
namespace {

// Threads that may block in one disk at a time.
constexpr size_t kThreads = 4;

// A queue's chains, and a flush of our own.
constexpr uint32_t kRingDepth = kBlockQueueSize + 1;

// How long, and how often, a locked disk is looked at.
constexpr absl::Duration kLockPatience = absl::Milliseconds(500);
constexpr absl::Duration kLockPoll = absl::Milliseconds(10);

absl::StatusOr<ScopedFd> Open(const BlockConfig& config) {
  // Without waiting for the other end of what turns out to be a pipe.
  absl::StatusOr<ScopedFd> fd =
      OpenFile(config.path(), (config.ro() ? O_RDONLY : O_RDWR) | O_NONBLOCK | O_NOCTTY);
  if (!fd.ok() && !config.ro() && absl::IsPermissionDenied(fd.status())) {
    return Annotate(fd.status(), "cannot be written to, and ro was not given");
  }
  RETURN_IF_ERROR(fd.status());
  const int flags = fcntl(fd->get(), F_GETFL);
  if (flags < 0) return ErrnoStatus(errno, "fcntl F_GETFL");
  const int access = flags & O_ACCMODE;
  if (access == O_WRONLY || (access == O_RDONLY && !config.ro())) {
    return absl::InvalidArgumentError(access == O_WRONLY
                                          ? "the descriptor is open for writing only"
                                          : "the descriptor is open for reading only: give ro");
  }
  if ((flags & O_NONBLOCK) != 0 && fcntl(fd->get(), F_SETFL, flags & ~O_NONBLOCK) != 0) {
    return ErrnoStatus(errno, "fcntl F_SETFL");
  }
  return fd;
}

// A process that was killed keeps its files a moment longer than it is there, if it used io_uring:
// the kernel takes the ring apart later. Whoever comes in its place finds them locked still.
absl::Status Lock(const DiskFile& file, const BlockConfig& config) {
  if (!config.lock()) return absl::OkStatus();
  for (absl::Duration left = kLockPatience;; left -= kLockPoll) {
    if (flock(file.fd(), (config.ro() ? LOCK_SH : LOCK_EX) | LOCK_NB) == 0) return absl::OkStatus();
    if (errno != EWOULDBLOCK) return ErrnoStatus(errno, "flock");
    if (left <= absl::ZeroDuration()) break;
    absl::SleepFor(kLockPoll);
  }
  return absl::FailedPreconditionError(
      "is locked: another process uses this disk (lock=false does not look)");
}

absl::Status CheckSize(const DiskFile& file) {
  if (file.size() % kBlockSector == 0) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat("its size, ", file.size(), " bytes, is not a multiple of ", kBlockSector,
                   "; `truncate -s %", kBlockSector, "` makes it one"));
}

// A user's mistake is more likely than a guest's trick, and to be told of it is harmless.
void WarnOfFormat(const DiskFile& file, const std::string& path) {
  char magic[4] = {};
  if (pread(file.fd(), magic, sizeof(magic), 0) == sizeof(magic) &&
      memcmp(magic, "QFI\xfb", sizeof(magic)) == 0) {
    LOG(kWarning, "block", "%s begins like a qcow2 image, and is used as a raw disk", path);
  }
}

absl::StatusOr<DiskFile> OpenDisk(const BlockConfig& config) {
  ASSIGN_OR_RETURN(ScopedFd fd, Open(config));
  ASSIGN_OR_RETURN(DiskFile file, DiskFile::Create(std::move(fd)));
  RETURN_IF_ERROR(CheckSize(file));
  RETURN_IF_ERROR(Lock(file, config));
  if (config.dontcache()) file.SetDontCache();
  if (!config.direct()) return file;
  if (absl::Status status = file.SetDirect(); !status.ok()) {
    return Annotate(status, "direct is not possible here");
  }
  if (config.block_size() % file.offset_alignment() != 0) {
    return absl::InvalidArgumentError(absl::StrCat(
        "direct needs block-size=", file.offset_alignment(), ", the block size of the storage"));
  }
  return file;
}

// What makes the queues' BlockIos. Thread-safe.
struct IoFactory {
  std::shared_ptr<const DiskFile> file;
  std::shared_ptr<IoThreads> threads;
  bool uring = false;

  [[nodiscard]] absl::StatusOr<std::unique_ptr<BlockIo>> Make() const {
    if (uring) {
      absl::StatusOr<std::unique_ptr<UringIo>> io = UringIo::Create(file, threads, kRingDepth);
      if (io.ok()) return *std::move(io);
      LOG(kWarning, "block", "%s; a queue goes on with threads", io.status().message());
    }
    ASSIGN_OR_RETURN(EventFd completed, EventFd::Create());
    return std::make_unique<ThreadIo>(file, threads,
                                      std::make_shared<const EventFd>(std::move(completed)));
  }
};

absl::StatusOr<IoFactory> MakeFactory(const BlockConfig& config, AsyncExecutor executor) {
  ASSIGN_OR_RETURN(DiskFile opened, OpenDisk(config));
  if (config.has_async_executor()) executor = config.async_executor();
  IoFactory factory = {.file = std::make_shared<const DiskFile>(std::move(opened)),
                       .threads = std::make_shared<IoThreads>(kThreads),
                       .uring = executor == URING};
  if (factory.uring) {
    // A host that has no io_uring shall say so now, not when the guest boots.
    const auto probe = UringIo::Create(factory.file, factory.threads, 1);
    if (!probe.ok()) return Annotate(probe.status(), "async-executor=uring is not possible here");
  }
  return factory;
}

absl::StatusOr<ScopedFd> CopyOf(const DiskFile& file) {
  ScopedFd copy(fcntl(file.fd(), F_DUPFD_CLOEXEC, 0));
  if (!copy.valid()) return ErrnoStatus(errno, "F_DUPFD_CLOEXEC");
  return copy;
}

absl::StatusOr<ScopedFd> OpenChecked(const BlockConfig& config, AsyncExecutor executor) {
  ASSIGN_OR_RETURN(const IoFactory factory, MakeFactory(config, executor));
  return CopyOf(*factory.file);
}

absl::StatusOr<std::unique_ptr<Block>> Open(const BlockConfig& config, AsyncExecutor executor,
                                            EventLoop& loop, std::vector<EventLoop*> more_loops,
                                            ScopedFd* copy, uint16_t queue_size) {
  ASSIGN_OR_RETURN(const IoFactory factory, MakeFactory(config, executor));
  const std::shared_ptr<const DiskFile>& file = factory.file;
  if (copy != nullptr) {
    ASSIGN_OR_RETURN(*copy, CopyOf(*file));
  }
  WarnOfFormat(*file, config.path());
  return std::make_unique<Block>(
      loop,
      BlockDisk{.sectors = file->size() / kBlockSector,
                .block_size = config.block_size(),
                .read_only = config.ro(),
                .sparse = config.sparse(),
                .packed_ring = config.packed_queue(),
                .queue_size = queue_size,
                .id = config.id(),
                .address_alignment = file->address_alignment(),
                .length_alignment = file->offset_alignment()},
      [factory](uint16_t) { return factory.Make(); }, std::move(more_loops));
}

}  // namespace

absl::StatusOr<std::unique_ptr<Block>> OpenBlock(const BlockConfig& config, AsyncExecutor executor,
                                                 EventLoop& loop,
                                                 std::vector<EventLoop*> more_loops, ScopedFd* copy,
                                                 uint16_t queue_size) {
  RETURN_IF_ERROR(CheckBlockConfig(config));
  absl::StatusOr<std::unique_ptr<Block>> block =
      Open(config, executor, loop, std::move(more_loops), copy, queue_size);
  if (block.ok()) return block;
  return Annotate(block.status(), absl::StrCat("--block path=", config.path()));
}

absl::StatusOr<ScopedFd> OpenBlockFile(const BlockConfig& config, AsyncExecutor executor) {
  RETURN_IF_ERROR(CheckBlockConfig(config));
  absl::StatusOr<ScopedFd> file = OpenChecked(config, executor);
  if (file.ok()) return file;
  return Annotate(file.status(), absl::StrCat("--block path=", config.path()));
}

}  // namespace touchstone
