// A disk's size, between the process or thread of the device and that of its machine.
//
//   machine                                 device
//   BlockHandle --sectors, question-->      BlockServer, Block
//               <-- no old requests --
//
// Messages are packets of fixed size over a pair of kSeqPacket. Neither side waits for the other.
// The machine does not trust the device: a device that answers early harms its own disk alone.
// When the device's process was replaced, the next one reads what the last one left unread.

#ifndef TOUCHSTONE_DEVICES_VIRTIO_BLOCK_BLOCK_LINK_H_
#define TOUCHSTONE_DEVICES_VIRTIO_BLOCK_BLOCK_LINK_H_

#include <cstdint>
#include <memory>

#include "absl/status/statusor.h"
#include "base/endian.h"
#include "base/event/event_loop.h"
#include "base/fd_socket.h"
#include "devices/virtio/block/block.h"

namespace touchstone {

struct BlockLinkMessage {
  Le64 id = uint64_t{0};       // Of the question and its answer.
  Le64 sectors = uint64_t{0};  // What the disk has from now on.
};

// Sends, whether the peer takes it or not: who does not read has other troubles. False: it did not.
bool SendBlockLink(const FdSocket& socket, const BlockLinkMessage& message);
// The next message, or Unavailable while there is none. Other errors are final.
absl::StatusOr<BlockLinkMessage> ReceiveBlockLink(const FdSocket& socket);

// The device's end. Thread-compatible, on the loop of the device's first queue, which is borrowed
// as the device is.
class BlockServer {
 public:
  static absl::StatusOr<std::unique_ptr<BlockServer>> Create(FdSocket socket, EventLoop& loop,
                                                             Block& block);
  ~BlockServer();
  BlockServer(const BlockServer&) = delete;
  BlockServer& operator=(const BlockServer&) = delete;

 private:
  BlockServer(FdSocket socket, EventLoop& loop, Block& block);

  void Serve();

  const FdSocket socket_;
  Block& block_;
  // Shared with answers, which may outlive this.
  const std::shared_ptr<BlockServer*> self_;
  Watch watch_;
};

}  // namespace touchstone

#endif  // TOUCHSTONE_DEVICES_VIRTIO_BLOCK_BLOCK_LINK_H_
