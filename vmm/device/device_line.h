// The command line of `touchstone device TYPE` (crosvm.md 3.1).
//
//   ASSIGN_OR_RETURN(const DeviceLine line, ParseDeviceLines({"block", "--socket-path=/s", ...}));

#ifndef TOUCHSTONE_VMM_DEVICE_DEVICE_LINE_H_
#define TOUCHSTONE_VMM_DEVICE_DEVICE_LINE_H_

#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "devices/platform/serial/serial.pb.h"
#include "devices/virtio/block/block.pb.h"
#include "devices/virtio/net/net.pb.h"
#include "devices/virtio/vsock/vsock.pb.h"

namespace touchstone {

struct RngDeviceConfig {};

struct DeviceLine {
  // Where the monitor is: exactly one of them.
  std::optional<std::string> socket_path;  // It connects here.
  std::optional<int> fd;                   // It is connected.
  std::variant<RngDeviceConfig, BlockConfig, NetConfig, VsockConfig, std::vector<SerialConfig>>
      device;
};

// Reads the arguments after `device`: the devices that one process serves, at least one. Several
// are network devices (crosvm.md 3.1), with different sockets. Errors are one line.
absl::StatusOr<std::vector<DeviceLine>> ParseDeviceLines(
    absl::Span<const absl::string_view> arguments);

// What --help shows: of the type that the arguments name, or of all.
std::string DeviceHelp(absl::Span<const absl::string_view> arguments);

}  // namespace touchstone

#endif  // TOUCHSTONE_VMM_DEVICE_DEVICE_LINE_H_
