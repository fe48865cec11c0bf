// The host's side of a guest's port: a Unix stream socket at which the machine under test connects.
//
//   HostSocket socket(path);
//   ... StartVirtioGuest({"--serial=unix-stream,hardware=virtio-console,input-unix-stream,path="
//                         + path});
//   ASSERT_TRUE(socket.Accept(absl::Seconds(10)).ok());
//   absl::StatusOr<std::string> echoed = socket.Exchange(text, text.size(), absl::Seconds(60));
//
// Thread-compatible.

#ifndef TOUCHSTONE_INTEGRATION_VIRTIO_HOST_SOCKET_H_
#define TOUCHSTONE_INTEGRATION_VIRTIO_HOST_SOCKET_H_

#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "base/scoped_fd.h"

namespace touchstone {

class HostSocket {
 public:
  // Listens there. CHECKs that it can.
  explicit HostSocket(const std::string& path);

  // Waits for the machine, which is the only one to connect.
  absl::Status Accept(absl::Duration timeout);

  // Sends `text` and receives `size` bytes, both at once.
  absl::StatusOr<std::string> Exchange(absl::string_view text, uint64_t size,
                                       absl::Duration timeout);
  // Sends `text` and receives until `answer` has come; returns all that came.
  absl::StatusOr<std::string> Converse(absl::string_view text, absl::string_view answer,
                                       absl::Duration timeout);
  // Sends zeros until nothing was taken for `patience`; returns how many were.
  uint64_t Flood(uint64_t limit, absl::Duration patience);

 private:
  ScopedFd listener_;
  ScopedFd peer_;
};

}  // namespace touchstone

#endif  // TOUCHSTONE_INTEGRATION_VIRTIO_HOST_SOCKET_H_
