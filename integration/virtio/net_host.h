// The host's side of a network test: taps, and TCP peers of a guest.

#ifndef TOUCHSTONE_INTEGRATION_VIRTIO_NET_HOST_H_
#define TOUCHSTONE_INTEGRATION_VIRTIO_NET_HOST_H_

#include <cstdint>
#include <string>
#include <thread>

#include "absl/strings/string_view.h"
#include "base/scoped_fd.h"

namespace touchstone {

// Returns when a program listens on the TCP port, or after a minute.
void AwaitListener(uint16_t port);

// A tap of the host, up, with an IPv4 address such as "10.0.0.1/24"; it goes with this. An ordinary
// user cannot make one, and has it already (integration/testing/as_user.sh).
class HostTap {
 public:
  HostTap(std::string name, const std::string& address, bool multi_queue = false);
  ~HostTap();
  HostTap(const HostTap&) = delete;
  HostTap& operator=(const HostTap&) = delete;

  // A descriptor of one of its queues for somebody to inherit: --net tap-fd=.
  [[nodiscard]] ScopedFd Open() const;

 private:
  const std::string name_;
  const bool multi_queue_;
};

// `size` bytes of which no part looks like another; the guest's `yes LINE | head -c SIZE`.
std::string TestPattern(size_t size);
inline constexpr char kPatternLine[] = "0123456789abcdefghijklmnopqrstuvwxyz";

// Listens on a port of all addresses, and serves one connection on a thread of its own: writes
// `send`, if it is not empty, and ends its direction; collects what comes.
class TcpPeer {
 public:
  TcpPeer(uint16_t port, std::string send);
  // Waits for the end of the connection.
  ~TcpPeer();
  TcpPeer(const TcpPeer&) = delete;
  TcpPeer& operator=(const TcpPeer&) = delete;

  // What came; waits for the end of the connection.
  const std::string& Received();

 private:
  void Serve();

  ScopedFd listener_;
  const std::string send_;
  std::string received_;
  std::thread thread_;
};

}  // namespace touchstone

#endif  // TOUCHSTONE_INTEGRATION_VIRTIO_NET_HOST_H_
