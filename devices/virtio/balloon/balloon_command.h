// The text of a command on the balloon's control channel (balloon_control.h).

#ifndef TOUCHSTONE_DEVICES_VIRTIO_BALLOON_BALLOON_COMMAND_H_
#define TOUCHSTONE_DEVICES_VIRTIO_BALLOON_BALLOON_COMMAND_H_

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "devices/virtio/balloon/balloon.pb.h"

namespace touchstone {

// {"Adjust":{"num_bytes":4096,"allow_failure":true}}, {"Stats":{"id":1}} or "Stats".
// InvalidArgument for everything else.
absl::StatusOr<BalloonCommand> ParseBalloonCommand(absl::string_view text);

}  // namespace touchstone

#endif  // TOUCHSTONE_DEVICES_VIRTIO_BALLOON_BALLOON_COMMAND_H_
