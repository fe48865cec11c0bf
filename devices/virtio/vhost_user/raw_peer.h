// One end of a socket that sends any bytes and descriptors as vhost-user messages, hostile ones
// too, for tests and fuzzers.
//
//   RawVhostUserPeer peer;
//   VhostUserBackend backend(device, peer.TakeOther(), loop, ...);
//   peer.Send(VhostUserRequest::kSetVringNum, VhostUserVringState{.index = 9999u, .num = 1u});
//
// Thread-compatible.

#ifndef TOUCHSTONE_DEVICES_VIRTIO_VHOST_USER_RAW_PEER_H_
#define TOUCHSTONE_DEVICES_VIRTIO_VHOST_USER_RAW_PEER_H_

#include <dirent.h>
#include <fcntl.h>

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/types/span.h"
#include "base/fd_socket.h"
#include "base/scoped_fd.h"
#include "devices/virtio/vhost_user/connection.h"
#include "devices/virtio/vhost_user/message.h"
#include "devices/virtio/vhost_user/message_table.h"

namespace touchstone {

class RawVhostUserPeer {
 public:
  // `table` is what is received by.
  explicit RawVhostUserPeer(VhostUserTable table = VhostUserFrontendTable())
      : RawVhostUserPeer(FdSocket::CreatePair(FdSocket::Kind::kStream).value(), table) {}

  // The socket of the one under test.
  ScopedFd TakeOther() { return std::move(other_); }

  // Bytes as they are. False when the other end is gone.
  bool SendBytes(absl::Span<const uint8_t> bytes, absl::Span<const int> fds = {}) {
    return bytes.empty() || own_.Send(bytes, fds).ok();
  }
  // A header and a payload.
  bool SendMessage(uint32_t request, uint32_t flags, absl::Span<const uint8_t> payload,
                   absl::Span<const int> fds = {}) {
    std::vector<uint8_t> bytes = VhostUserPayload(VhostUserHeader{
        .request = request, .flags = flags, .size = static_cast<uint32_t>(payload.size())});
    bytes.insert(bytes.end(), payload.begin(), payload.end());
    return SendBytes(bytes, fds);
  }
  bool Send(VhostUserRequest request, absl::Span<const int> fds = {}) {
    return SendMessage(static_cast<uint32_t>(request), kVhostUserVersion, {}, fds);
  }
  template <typename T>
  bool Send(VhostUserRequest request, const T& payload, absl::Span<const int> fds = {}) {
    return SendMessage(static_cast<uint32_t>(request), kVhostUserVersion, VhostUserPayload(payload),
                       fds);
  }

  // What has come, if it is a message.
  std::optional<VhostUserMessage> Receive() {
    absl::StatusOr<std::optional<VhostUserMessage>> message = connection_.Receive();
    return message.ok() ? *std::move(message) : std::nullopt;
  }
  // The other end has closed the connection, and all that came before was received.
  bool closed() { return absl::IsFailedPrecondition(connection_.Receive().status()); }
  void Close() {
    own_.Shutdown();
    connection_.Shutdown();
  }

 private:
  RawVhostUserPeer(std::pair<FdSocket, FdSocket> pair, VhostUserTable table)
      : own_(std::move(pair.first)),
        connection_(ScopedFd(fcntl(own_.fd(), F_DUPFD_CLOEXEC, 0)), table),
        other_(std::move(pair.second).Release()) {}

  FdSocket own_;
  VhostUserConnection connection_;
  ScopedFd other_;
};

// How many descriptors this process has.
inline int CountOpenFds() {
  DIR* const directory = opendir("/proc/self/fd");
  int count = 0;
  while (readdir(directory) != nullptr) ++count;
  closedir(directory);
  return count;
}

}  // namespace touchstone

#endif  // TOUCHSTONE_DEVICES_VIRTIO_VHOST_USER_RAW_PEER_H_
