// One end of a vhost-user connection: whole messages over a stream socket, descriptors beside them.
//
//   VhostUserConnection connection(std::move(socket), VhostUserFrontendTable());
//   ASSIGN_OR_RETURN(std::optional<VhostUserMessage> message, connection.Receive());
//   RETURN_IF_ERROR(connection.Send(reply));
//
// The peer is not trusted: a message is bounded by the table's largest, its descriptors by what its
// request may carry, and no call waits. After an error the connection is of no more use; the
// descriptors that came along are closed.
//
// Errors: FailedPrecondition when the peer is gone; InvalidArgument for what is no message of the
// table; Unavailable when the peer does not take what it is sent; DataLoss for a message of which a
// part is missing.
//
// Thread-compatible; one thread may send while another receives.

#ifndef TOUCHSTONE_DEVICES_VIRTIO_VHOST_USER_CONNECTION_H_
#define TOUCHSTONE_DEVICES_VIRTIO_VHOST_USER_CONNECTION_H_

#include <array>
#include <cstdint>
#include <optional>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "base/fd_socket.h"
#include "base/scoped_fd.h"
#include "devices/virtio/vhost_user/message.h"
#include "devices/virtio/vhost_user/message_table.h"

namespace touchstone {

class VhostUserConnection {
 public:
  // Takes a connected stream socket, which it makes non-blocking. `table` says which side's
  // requests these are, and their replies.
  VhostUserConnection(ScopedFd socket, VhostUserTable table);

  // The next message, once all of it has arrived; nothing until then.
  absl::StatusOr<std::optional<VhostUserMessage>> Receive();

  // `payload` and `fds` are what the table says; the version is added to the flags.
  absl::Status Send(uint32_t request, uint32_t flags, absl::Span<const uint8_t> payload,
                    absl::Span<const int> fds = {}) const;

  // To wait on.
  [[nodiscard]] int fd() const { return socket_.fd(); }
  // Ends the connection for both sides.
  void Shutdown() const { socket_.Shutdown(); }

 private:
  absl::StatusOr<std::optional<VhostUserMessage>> ReceiveSome();
  // Receives into [filled, size) of `buffer_`; false when not all of it is there.
  absl::StatusOr<bool> Fill(size_t size);

  FdSocket socket_;
  VhostUserTable table_;
  absl::Status broken_;
  // A message as far as it has arrived.
  std::array<uint8_t, sizeof(VhostUserHeader) + kVhostUserMaxPayload> buffer_;
  size_t filled_ = 0;
  std::vector<ScopedFd> fds_;
};

}  // namespace touchstone

#endif  // TOUCHSTONE_DEVICES_VIRTIO_VHOST_USER_CONNECTION_H_
