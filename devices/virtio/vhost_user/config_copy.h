// What a vhost-user front end knows of a device's configuration: what was read last, and what the
// driver wrote, for back ends to come.
//
// Thread-compatible.

#ifndef TOUCHSTONE_DEVICES_VIRTIO_VHOST_USER_CONFIG_COPY_H_
#define TOUCHSTONE_DEVICES_VIRTIO_VHOST_USER_CONFIG_COPY_H_

#include <cstdint>
#include <vector>

#include "absl/status/status.h"
#include "absl/types/span.h"
#include "devices/virtio/vhost_user/frontend_channel.h"

namespace touchstone {

class VhostUserConfigCopy {
 public:
  // Of so many bytes, at most 256.
  explicit VhostUserConfigCopy(uint32_t size) : written_(size), is_written_(size) {}

  // Reads all of it. Aborted when the back end has none; what was there before stays.
  absl::Status Fetch(VhostUserFrontendChannel& channel);
  // What was fetched last; leaves `data` as it is when nothing was. REQUIRES: inside, and so below.
  void Read(uint32_t offset, absl::Span<uint8_t> data) const;

  // The driver writes.
  void Note(uint32_t offset, absl::Span<const uint8_t> data);
  // Tells the back end.
  static absl::Status Write(VhostUserFrontendChannel& channel, uint32_t offset,
                            absl::Span<const uint8_t> data);
  // Tells it of all that was noted.
  absl::Status WriteAgain(VhostUserFrontendChannel& channel) const;
  void ForgetWrites();

 private:
  std::vector<uint8_t> read_;  // Empty until then.
  std::vector<uint8_t> written_;
  std::vector<bool> is_written_;  // Which bytes.
};

}  // namespace touchstone

#endif  // TOUCHSTONE_DEVICES_VIRTIO_VHOST_USER_CONFIG_COPY_H_
