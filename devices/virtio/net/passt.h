// Starts passt (passt(1)), which gives a guest the host's network without any privilege: it is a
// process of its own that turns the guest's frames into sockets, in namespaces and behind a filter
// of its own making.
//
// passt goes into the background once it is ready, and ends when the other end of its socket is
// closed, however that happens. So nobody has to look after it.
//
// Debian 12's (2023-03-09) completes the handshake of a forwarded port with the first data of the
// host's side only: a server of the guest that speaks first waits until then.

#ifndef TOUCHSTONE_DEVICES_VIRTIO_NET_PASST_H_
#define TOUCHSTONE_DEVICES_VIRTIO_NET_PASST_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "base/scoped_fd.h"

namespace touchstone {

// What passt tells guests by DHCP: the largest packet that it takes, in 32-bit words.
inline constexpr uint16_t kPasstMtu = 65520;
// How long passt may take to get ready; it takes a few milliseconds.
inline constexpr absl::Duration kPasstPatience = absl::Seconds(30);

struct PasstCommand {
  std::string path = "passt";  // Looked up in PATH when it has no slash.
  std::vector<std::string> arguments;
};

// Waits until passt is ready; returns our end of its socket. An error says what passt said.
absl::StatusOr<ScopedFd> StartPasst(const PasstCommand& command,
                                    absl::Duration patience = kPasstPatience);

}  // namespace touchstone

#endif  // TOUCHSTONE_DEVICES_VIRTIO_NET_PASST_H_
