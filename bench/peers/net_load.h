// The loads of net_io.cc, and both of their ends: the guest's runs in net_load, the host's in a
// thread of net_io.
//
// A load is one TCP connection that the guest makes, over which it asks for the load with a
// NetRequest. The connection carries the data of TCP loads. UDP loads pass datagrams in bursts; the
// receiver of a burst answers with one datagram, so none is lost.
//
// Static and without Abseil, because it is part of an initial RAM disk.

#ifndef TOUCHSTONE_BENCH_PEERS_NET_LOAD_H_
#define TOUCHSTONE_BENCH_PEERS_NET_LOAD_H_

#include <cstdint>

namespace touchstone {

enum class NetLoad : uint32_t {
  kTcpOut,        // From the guest, kTcpChunk an operation.
  kTcpIn,         // To the guest.
  kUdpOut,        // From the guest, a datagram an operation, kBurst of them for an answer.
  kUdpIn,         // To the guest.
  kUdpRoundTrip,  // From the guest, each answered.
};

// In the byte order of the machine, which both ends share.
struct NetRequest {
  NetLoad load;
  uint32_t operations;
};

constexpr uint16_t kNetLoadPort = 7000;  // Both protocols, on the host.
constexpr uint32_t kTcpChunk = 64 * 1024;
constexpr uint32_t kBurst = 64;
constexpr uint32_t kDatagram = 64;

// What one end of a load does, on its connection and its connected UDP socket. False with errno
// when the other end does not do its part.
//
// The guest's end has sent the request before; its host's has received it.
bool RunGuestEnd(const NetRequest& request, int tcp, int udp);
bool RunHostEnd(const NetRequest& request, int tcp, int udp);

}  // namespace touchstone

#endif  // TOUCHSTONE_BENCH_PEERS_NET_LOAD_H_
