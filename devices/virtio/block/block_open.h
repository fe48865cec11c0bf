// Opens the disk that a --block option names, and makes the device.
//
//   ASSIGN_OR_RETURN(std::unique_ptr<Block> block, OpenBlock(config, EPOLL, loop, {}));
//
// The file is locked (flock) as long as the device lives, exclusively or, if read-only, shared, so
// that no two machines write to one disk; one that is locked is waited for, half a second. Its
// content is not looked at: it is raw whatever a guest wrote to its start.
//
// Errors name the option, the file and the reason.

#ifndef TOUCHSTONE_DEVICES_VIRTIO_BLOCK_BLOCK_OPEN_H_
#define TOUCHSTONE_DEVICES_VIRTIO_BLOCK_BLOCK_OPEN_H_

#include <memory>
#include <vector>

#include "absl/status/statusor.h"
#include "base/event/event_loop.h"
#include "base/scoped_fd.h"
#include "devices/virtio/block/block.h"
#include "devices/virtio/block/block.pb.h"

namespace touchstone {

// `executor` is for disks that do not say. `more_loops` as for Block: with multiple-workers, one
// for each further queue that shall have a thread. `copy`, unless null, becomes another descriptor
// of its file. Queues have at most `queue_size` entries; however many are made available, the host
// works on a few hundred at a time.
absl::StatusOr<std::unique_ptr<Block>> OpenBlock(const BlockConfig& config, AsyncExecutor executor,
                                                 EventLoop& loop,
                                                 std::vector<EventLoop*> more_loops,
                                                 ScopedFd* copy = nullptr,
                                                 uint16_t queue_size = kBlockQueueSize);

// Only opens and checks its file, as OpenBlock does, for a process that gets it through a
// FileProvider (base/file_provider.h).
absl::StatusOr<ScopedFd> OpenBlockFile(const BlockConfig& config, AsyncExecutor executor);

}  // namespace touchstone

#endif  // TOUCHSTONE_DEVICES_VIRTIO_BLOCK_BLOCK_OPEN_H_
