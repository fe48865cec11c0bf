// Connects to unix sockets for a jailed process that cannot: to those that it was declared to need
// when it was made, and to no others.
//
//   ASSIGN_OR_RETURN(auto pair, FdSocket::CreatePair(FdSocket::Kind::kSeqPacket));
//   ConnectBroker broker(std::move(pair.first), {{"/run/vsock", SOCK_STREAM, true}}, loop);
//   // JailedFiles, in the child, asks over pair.second.
//
// The child is not trusted. What it asks for is compared with the declaration, nothing it says is
// opened, and one that sends nonsense is not served any more.
//
// Ownership: the loop is borrowed. It must not be one whose thread waits for the child. Threads:
// destroyed on the loop's thread, or anywhere else, which waits for a callback that runs.

#ifndef TOUCHSTONE_VMM_JAIL_CONNECT_BROKER_H_
#define TOUCHSTONE_VMM_JAIL_CONNECT_BROKER_H_

#include <cstddef>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "base/event/event_loop.h"
#include "base/fd_socket.h"
#include "base/scoped_fd.h"

namespace touchstone {

struct ConnectTarget {
  std::string path;
  int type = 0;        // SOCK_STREAM and the like.
  bool ports = false;  // PATH_N, N a 32-bit number, instead of PATH.
};

class ConnectBroker {
 public:
  static constexpr size_t kMaxRequest = 512;
  static constexpr size_t kMaxReply = 1024;

  ConnectBroker(FdSocket socket, std::vector<ConnectTarget> targets, EventLoop& loop);
  ~ConnectBroker();
  ConnectBroker(const ConnectBroker&) = delete;
  ConnectBroker& operator=(const ConnectBroker&) = delete;

 private:
  class Service;

  // The watch's, too: it gives up, and is destroyed, on two threads.
  const std::shared_ptr<Service> service_;
};

// The other side: asks the broker at `socket`, and waits for its answer. Errors as ConnectUnix.
absl::StatusOr<ScopedFd> ConnectByBroker(const FdSocket& socket, absl::string_view path, int type);

}  // namespace touchstone

#endif  // TOUCHSTONE_VMM_JAIL_CONNECT_BROKER_H_
