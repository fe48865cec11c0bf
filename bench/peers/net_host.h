// The host's side of net_io.cc: a tap with an address, and a thread that is the other end of loads.

#ifndef TOUCHSTONE_BENCH_PEERS_NET_HOST_H_
#define TOUCHSTONE_BENCH_PEERS_NET_HOST_H_

#include <memory>
#include <string>
#include <thread>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/scoped_fd.h"

namespace touchstone {

// Makes a tap that stays, with packet headers for offloads, and gives the host `address`
// ("A.B.C.D", of a network of 24 bits) on it. As root.
absl::Status MakeTap(const std::string& name, const std::string& address);

// Thread-compatible.
class NetLoadServer {
 public:
  // Serves guests at `guest` on `host`, both IPv4 addresses, one connection at a time, until it is
  // destroyed.
  static absl::StatusOr<std::unique_ptr<NetLoadServer>> Start(const std::string& host,
                                                              const std::string& guest);
  ~NetLoadServer();
  NetLoadServer(const NetLoadServer&) = delete;
  NetLoadServer& operator=(const NetLoadServer&) = delete;

 private:
  NetLoadServer(ScopedFd listener, ScopedFd datagrams)
      : listener_(std::move(listener)), datagrams_(std::move(datagrams)) {}

  void Serve();

  const ScopedFd listener_;
  const ScopedFd datagrams_;
  std::thread thread_;
};

}  // namespace touchstone

#endif  // TOUCHSTONE_BENCH_PEERS_NET_HOST_H_
