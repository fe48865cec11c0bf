// The state of a device on its way from and to a vhost-user back end (vhost-user, "Device state
// transfer"): front end's side.
//
// The back end is not trusted: it has the channel's patience, and kVhostUserMaxState bytes.
//
// Errors: as VhostUserFrontendChannel's; Aborted and InvalidArgument when the back end says no,
// ResourceExhausted for too much state, DeadlineExceeded when it does not go on.

#ifndef TOUCHSTONE_DEVICES_VIRTIO_VHOST_USER_FRONTEND_STATE_H_
#define TOUCHSTONE_DEVICES_VIRTIO_VHOST_USER_FRONTEND_STATE_H_

#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "devices/virtio/vhost_user/frontend_channel.h"

namespace touchstone {

// REQUIRES: DEVICE_STATE was negotiated.
absl::StatusOr<std::string> FetchVhostUserState(VhostUserFrontendChannel& channel);
absl::Status SendVhostUserState(VhostUserFrontendChannel& channel, absl::string_view state);

}  // namespace touchstone

#endif  // TOUCHSTONE_DEVICES_VIRTIO_VHOST_USER_FRONTEND_STATE_H_
