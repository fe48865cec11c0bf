// What a socket device keeps in a snapshot, whoever implements it: a guest may go on with the other
// kind. Connections do not survive: their other ends are processes of the host.
//
// Pure functions.

#ifndef TOUCHSTONE_DEVICES_VIRTIO_VSOCK_VSOCK_STATE_H_
#define TOUCHSTONE_DEVICES_VIRTIO_VSOCK_VSOCK_STATE_H_

#include <cstdint>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace touchstone {

struct VsockState {
  uint64_t guest_cid = 0;
  // The driver is to be told that its connections are gone (Virtio 1.2, 5.10.6.7).
  bool transport_reset = false;
};

std::string WriteVsockState(const VsockState& state);

// InvalidArgument for what WriteVsockState cannot have written, or for a guest of another CID.
absl::StatusOr<VsockState> ReadVsockState(absl::string_view bytes, uint64_t guest_cid);

}  // namespace touchstone

#endif  // TOUCHSTONE_DEVICES_VIRTIO_VSOCK_VSOCK_STATE_H_
