#include "devices/virtio/vhost_user/config_copy.h"

#include <algorithm>
#include <cstring>

#include "base/status.h"
#include "devices/virtio/vhost_user/message.h"

namespace touchstone {

absl::Status VhostUserConfigCopy::Fetch(VhostUserFrontendChannel& channel) {
  // From the start on: there are back ends that overlook the offset.
  const auto size = static_cast<uint32_t>(written_.size());
  const VhostUserConfigHeader header = {.offset = 0u, .size = size, .flags = 0u};
  std::vector<uint8_t> payload = VhostUserPayload(header);
  payload.resize(sizeof(header) + size);
  ASSIGN_OR_RETURN(const VhostUserMessage reply,
                   channel.Ask(VhostUserRequest::kGetConfig, payload));
  // vhost-user, GET_CONFIG: as long as the request, or empty for an error.
  if (reply.payload.size() != payload.size()) {
    return absl::AbortedError("no configuration from the back end");
  }
  read_.assign(reply.payload.begin() + sizeof(header), reply.payload.end());
  return absl::OkStatus();
}

void VhostUserConfigCopy::Read(uint32_t offset, absl::Span<uint8_t> data) const {
  if (!read_.empty()) memcpy(data.data(), read_.data() + offset, data.size());
}

void VhostUserConfigCopy::Note(uint32_t offset, absl::Span<const uint8_t> data) {
  memcpy(written_.data() + offset, data.data(), data.size());
  std::fill_n(is_written_.begin() + offset, data.size(), true);
}

absl::Status VhostUserConfigCopy::Write(VhostUserFrontendChannel& channel, uint32_t offset,
                                        absl::Span<const uint8_t> data) {
  std::vector<uint8_t> payload = VhostUserPayload(VhostUserConfigHeader{
      .offset = offset, .size = static_cast<uint32_t>(data.size()), .flags = 0u});
  payload.insert(payload.end(), data.begin(), data.end());
  return channel.Tell(VhostUserRequest::kSetConfig, payload);
}

absl::Status VhostUserConfigCopy::WriteAgain(VhostUserFrontendChannel& channel) const {
  const auto size = static_cast<uint32_t>(written_.size());
  for (uint32_t start = 0; start < size; ++start) {
    if (!is_written_[start]) continue;
    uint32_t end = start;
    while (end < size && is_written_[end]) ++end;
    RETURN_IF_ERROR(
        Write(channel, start, absl::MakeConstSpan(written_).subspan(start, end - start)));
    start = end;
  }
  return absl::OkStatus();
}

void VhostUserConfigCopy::ForgetWrites() {
  std::fill(is_written_.begin(), is_written_.end(), false);
}

}  // namespace touchstone
