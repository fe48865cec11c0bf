#include "devices/virtio/block/block_link.h"

#include <errno.h>
#include <fcntl.h>

#include <utility>

#include "absl/types/span.h"
#include "base/status.h"

namespace touchstone {

bool SendBlockLink(const FdSocket& socket, const BlockLinkMessage& message) {
  return socket
      .Send(absl::MakeConstSpan(reinterpret_cast<const uint8_t*>(&message), sizeof(message)))
      .ok();
}

absl::StatusOr<BlockLinkMessage> ReceiveBlockLink(const FdSocket& socket) {
  BlockLinkMessage message;
  ASSIGN_OR_RETURN(const size_t size, socket.Receive(absl::MakeSpan(
                                          reinterpret_cast<uint8_t*>(&message), sizeof(message))));
  if (size != sizeof(message)) return absl::DataLossError("no message of a disk");
  return message;
}

absl::StatusOr<std::unique_ptr<BlockServer>> BlockServer::Create(FdSocket socket, EventLoop& loop,
                                                                 Block& block) {
  const int flags = fcntl(socket.fd(), F_GETFL);
  if (flags < 0 || fcntl(socket.fd(), F_SETFL, flags | O_NONBLOCK) != 0) {
    return ErrnoStatus(errno, "the socket of the disk");
  }
  return std::unique_ptr<BlockServer>(new BlockServer(std::move(socket), loop, block));
}

BlockServer::BlockServer(FdSocket socket, EventLoop& loop, Block& block)
    : socket_(std::move(socket)), block_(block), self_(std::make_shared<BlockServer*>(this)) {
  watch_ = loop.OnReadable(socket_.fd(), [this] { Serve(); });
}

BlockServer::~BlockServer() { *self_ = nullptr; }

void BlockServer::Serve() {
  const absl::StatusOr<BlockLinkMessage> message = ReceiveBlockLink(socket_);
  if (!message.ok()) {
    if (!absl::IsUnavailable(message.status())) watch_.Reset();
    return;
  }
  block_.Resize(message->sectors, [self = self_, answer = *message] {
    if (*self != nullptr) SendBlockLink((*self)->socket_, answer);
  });
}

}  // namespace touchstone
