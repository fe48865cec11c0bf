// The host's side of the socket device in unix sockets, as other monitors have it:
//
//   guest connects to port P of the host (CID 2)    the program that listens at PATH_P gets it
//   program connects to PATH, sends "CONNECT P\n"   port P of the guest gets it; then "OK N\n"
//   comes
//                                                   back, and everything after that is the guest's
//
// A connection that the guest refuses, or that does not begin with that line within
// kLineTimeout, is closed.
//
// Thread-compatible: works on the loop that it borrows.

#ifndef TOUCHSTONE_DEVICES_VIRTIO_VSOCK_UNIX_HOST_H_
#define TOUCHSTONE_DEVICES_VIRTIO_VSOCK_UNIX_HOST_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

#include "absl/container/flat_hash_map.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "base/event/event_loop.h"
#include "base/fd_socket.h"
#include "base/scoped_fd.h"
#include "devices/virtio/vsock/connect_line.h"
#include "devices/virtio/vsock/stream.h"

namespace touchstone {

class UnixHost final : public VsockHost {
 public:
  // Connections that have not said yet which port they want. More wait for these.
  static constexpr size_t kMaxCallers = 128;
  static constexpr absl::Duration kLineTimeout = absl::Seconds(10);
  // Without descriptors or memory for another connection, accepting rests for a while.
  static constexpr absl::Duration kPause = absl::Milliseconds(100);

  // Listens at `path`. A socket there that nobody listens at any more is replaced; AlreadyExists
  // for anything else there, InvalidArgument for a path that leaves no room for "_4294967295".
  static absl::StatusOr<FdListener> Listen(absl::string_view path);

  // `listener` listens at `path`.
  UnixHost(EventLoop& loop, FdListener listener, absl::string_view path);

  void Serve(VsockAcceptor& acceptor) override { acceptor_ = &acceptor; }
  void SetAccepting(bool accepting) override;
  absl::StatusOr<std::unique_ptr<VsockStream>> Connect(uint32_t port) override;

 private:
  struct Caller {
    ScopedFd socket;
    ConnectLine line;
    Watch readable;
    Watch timeout;
  };

  void WatchListener();
  void WatchCaller(uint64_t id, Caller& caller);
  void AcceptAll();
  void Read(uint64_t id);

  EventLoop& loop_;
  const FdListener listener_;
  const std::string path_;
  VsockAcceptor* acceptor_ = nullptr;
  bool accepting_ = false;
  absl::flat_hash_map<uint64_t, std::unique_ptr<Caller>> callers_;
  uint64_t next_caller_ = 0;
  Watch listening_;
  Watch pause_;
};

}  // namespace touchstone

#endif  // TOUCHSTONE_DEVICES_VIRTIO_VSOCK_UNIX_HOST_H_
