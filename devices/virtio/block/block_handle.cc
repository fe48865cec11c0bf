#include "devices/virtio/block/block_handle.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <limits>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/status.h"
#include "devices/virtio/block/block_format.h"
#include "devices/virtio/block/block_link.h"

namespace touchstone {
namespace {

int Truncate(int fd, uint64_t size) {
  int result;
  do {
    result = ftruncate(fd, static_cast<off_t>(size));
  } while (result != 0 && errno == EINTR);
  return result == 0 ? 0 : errno;
}

}  // namespace

absl::StatusOr<std::unique_ptr<BlockHandle>> BlockHandle::Create(Disk disk, FdSocket link,
                                                                 EventLoop& loop) {
  const int flags = fcntl(link.fd(), F_GETFL);
  if (flags < 0 || fcntl(link.fd(), F_SETFL, flags | O_NONBLOCK) != 0) {
    return ErrnoStatus(errno, "the socket of the disk");
  }
  return std::unique_ptr<BlockHandle>(new BlockHandle(std::move(disk), std::move(link), loop));
}

BlockHandle::BlockHandle(Disk disk, FdSocket link, EventLoop& loop)
    : disk_(std::move(disk)), link_(std::move(link)), loop_(loop) {
  watch_ = loop_.OnReadable(link_.fd(), [this] { Serve(); });
}

void BlockHandle::Resize(uint64_t bytes, Done done) {
  if (disk_.read_only) return done(EROFS, "the disk is only read");
  if (change_ != nullptr) return done(EIO, "its size is being changed");
  if (bytes % kBlockSector != 0) {
    return done(EIO, absl::StrCat("the size is not a multiple of ", kBlockSector));
  }
  struct stat status;
  if (bytes > static_cast<uint64_t>(std::numeric_limits<off_t>::max())) {
    return done(EIO, strerror(EFBIG));
  }
  if (fstat(disk_.file.get(), &status) != 0) return done(EIO, strerror(errno));
  if (!S_ISREG(status.st_mode)) {
    return done(EIO, "a block device of the host has the size that the host gives it");
  }
  const auto size = static_cast<uint64_t>(status.st_size);
  if (bytes > size) {
    if (const int error = Extend(size, bytes); error != 0) return done(EIO, strerror(error));
  }
  change_ = std::make_unique<Change>(
      Change{.id = ++last_id_, .from = size, .to = bytes, .done = std::move(done)});
  change_->patience =
      loop_.After(kPatience, [this] { Finish(EIO, "the disk does not end what it is at"); });
  if (!Tell(bytes)) Finish(EIO, "the disk does not listen");
}

int BlockHandle::Extend(uint64_t from, uint64_t to) const {
  // As crosvm: of a disk that is not sparse, room is taken at once.
  const int error = disk_.sparse || fallocate(disk_.file.get(), 0, static_cast<off_t>(from),
                                              static_cast<off_t>(to - from)) == 0
                        ? 0
                        : errno;
  if (error == 0 || error == EOPNOTSUPP) return Truncate(disk_.file.get(), to);
  static_cast<void>(Truncate(disk_.file.get(), from));
  return error;
}

bool BlockHandle::Tell(uint64_t bytes) {
  BlockLinkMessage message;
  message.id = last_id_;
  message.sectors = bytes / kBlockSector;
  return SendBlockLink(link_, message);
}

void BlockHandle::Serve() {
  const absl::StatusOr<BlockLinkMessage> message = ReceiveBlockLink(link_);
  if (!message.ok()) {
    if (absl::IsUnavailable(message.status())) return;
    watch_.Reset();
    if (change_ != nullptr) Finish(EIO, "the disk is lost");
    return;
  }
  if (change_ == nullptr || message->id != change_->id) return;
  const int error = change_->to < change_->from ? Truncate(disk_.file.get(), change_->to) : 0;
  Finish(error == 0 ? 0 : EIO, error == 0 ? "" : strerror(error));
}

void BlockHandle::Finish(int error, std::string why) {
  const std::unique_ptr<Change> change = std::move(change_);
  if (error != 0) {
    // Back to what it was.
    ++last_id_;
    static_cast<void>(Tell(change->from));
    if (change->to > change->from) static_cast<void>(Truncate(disk_.file.get(), change->from));
  }
  change->done(error, std::move(why));
}

}  // namespace touchstone
