// What each message of vhost-user carries: one row for each request.
//
//   RETURN_IF_ERROR(CheckVhostUserHeader(VhostUserFrontendTable(), header));

#ifndef TOUCHSTONE_DEVICES_VIRTIO_VHOST_USER_MESSAGE_TABLE_H_
#define TOUCHSTONE_DEVICES_VIRTIO_VHOST_USER_MESSAGE_TABLE_H_

#include <cstdint>

#include "absl/status/status.h"
#include "absl/types/span.h"
#include "devices/virtio/vhost_user/message.h"

namespace touchstone {

struct VhostUserRow {
  uint32_t request;
  const char* name;  // Without VHOST_USER_.
  // Bytes of the request's payload.
  uint32_t min_size;
  uint32_t max_size;
  uint32_t max_fds;
  // Whether there is an answer of its own. Others have one when NEED_REPLY is set: 8 bytes, 0 for
  // success (vhost-user, "REPLY_ACK").
  bool has_reply;
  uint32_t min_reply_size;
  uint32_t max_reply_size;
  uint32_t max_reply_fds;
  uint64_t protocol_feature;  // Without which the request makes no sense.
};

// Largest of all payloads and counts of descriptors.
inline constexpr uint32_t kVhostUserMaxPayload = 512;
inline constexpr uint32_t kVhostUserMaxFds = kVhostUserTableRegions;

using VhostUserTable = absl::Span<const VhostUserRow>;

// The requests of front ends, and of back ends.
VhostUserTable VhostUserFrontendTable();
VhostUserTable VhostUserBackendTable();

// The row of a request, or null.
const VhostUserRow* FindVhostUserRow(VhostUserTable table, uint32_t request);

// InvalidArgument, which names the request, for a header that no message of the table has: wrong
// version, unknown request or flag, a size that does not fit.
absl::Status CheckVhostUserHeader(VhostUserTable table, const VhostUserHeader& header);
// The same for a number of descriptors.
absl::Status CheckVhostUserFds(VhostUserTable table, const VhostUserMessage& message);

}  // namespace touchstone

#endif  // TOUCHSTONE_DEVICES_VIRTIO_VHOST_USER_MESSAGE_TABLE_H_
