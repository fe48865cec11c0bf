// A disk as its machine's operator sees it, wherever the device is: changes its size
// (`touchstone disk resize`).
//
// The file is made longer before the device is told, and shorter after the device has ended what it
// was told to do beyond the new end. It is this side that does it: the device's process may not
// move the end of a file.
//
// Ownership: the loop is borrowed. Threads: thread-compatible, on the loop's thread.

#ifndef TOUCHSTONE_DEVICES_VIRTIO_BLOCK_BLOCK_HANDLE_H_
#define TOUCHSTONE_DEVICES_VIRTIO_BLOCK_BLOCK_HANDLE_H_

#include <cstdint>
#include <memory>
#include <string>

#include "absl/functional/any_invocable.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "base/event/event_loop.h"
#include "base/fd_socket.h"
#include "base/scoped_fd.h"

namespace touchstone {

class BlockHandle {
 public:
  // How long the device may take to end what it is at.
  static constexpr absl::Duration kPatience = absl::Seconds(5);

  // `error` is an errno value (crosvm.md 2.2), 0 when it is done; `why` says more.
  using Done = absl::AnyInvocable<void(int error, std::string why)>;

  struct Disk {
    ScopedFd file;  // The device's, or a copy. Not used of a disk that is only read.
    bool read_only = false;
    bool sparse = true;  // Room is only taken when it is written to.
  };

  // `link` is one end of the pair whose other end a BlockServer has.
  static absl::StatusOr<std::unique_ptr<BlockHandle>> Create(Disk disk, FdSocket link,
                                                             EventLoop& loop);
  // Nobody hears of a change that is under way.
  ~BlockHandle() = default;
  BlockHandle(const BlockHandle&) = delete;
  BlockHandle& operator=(const BlockHandle&) = delete;

  // Gives the disk this size, whatever is lost by it, and calls back at once or later. EROFS for
  // one that is only read, EIO for everything else that is in the way; the size is what it was
  // then.
  void Resize(uint64_t bytes, Done done);

 private:
  struct Change {
    uint64_t id = 0;
    uint64_t from = 0;  // Bytes.
    uint64_t to = 0;
    Done done;
    Watch patience;
  };

  BlockHandle(Disk disk, FdSocket link, EventLoop& loop);

  bool Tell(uint64_t bytes);
  void Serve();
  void Finish(int error, std::string why);
  // Makes the file longer.
  [[nodiscard]] int Extend(uint64_t from, uint64_t to) const;

  const Disk disk_;
  const FdSocket link_;
  EventLoop& loop_;
  uint64_t last_id_ = 0;
  std::unique_ptr<Change> change_;  // Under way.
  Watch watch_;
};

}  // namespace touchstone

#endif  // TOUCHSTONE_DEVICES_VIRTIO_BLOCK_BLOCK_HANDLE_H_
