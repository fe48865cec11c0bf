// Two ends of stream sockets that prove each other, of whatever family: one echoes, the other sends
// and checks what comes back. Used by the test on the host and by the program in the guest
// (vsock_peer_main.cc), so it needs nothing but the C++ library.
//
// Thread-compatible.

#ifndef TOUCHSTONE_INTEGRATION_VIRTIO_VSOCK_PEER_H_
#define TOUCHSTONE_INTEGRATION_VIRTIO_VSOCK_PEER_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace touchstone {

// Sockets of AF_VSOCK; -1, and errno, when that fails.
int ListenVsock(uint32_t port);
int ConnectVsock(uint32_t cid, uint32_t port);

// Accepts connections and sends back all that each of them says; ends each after its peer has ended
// sending. Returns once `stop` is readable, or after `connections` have ended (0: never).
void EchoUntil(int listener, int stop, int connections);

// On all of these connected sockets at once: sends `bytes` bytes that depend on the socket and the
// position, ends sending, and checks that the same come back, and then the end. Closes them.
// Returns what is wrong, or nothing. Gives up when nothing moves for `seconds`.
std::string CheckEcho(const std::vector<int>& sockets, size_t bytes, int seconds);

}  // namespace touchstone

#endif  // TOUCHSTONE_INTEGRATION_VIRTIO_VSOCK_PEER_H_
