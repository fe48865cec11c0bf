#include "vmm/device/device_line.h"

#include <algorithm>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "base/status.h"
#include "vmm/config/command_line.h"
#include "vmm/config/help.h"
#include "vmm/config/schema_check.h"
#include "vmm/config/text.h"
#include "vmm/device/device.pb.h"
#include "vmm/device/device_schema.h"

namespace touchstone {
namespace {

// "A,B,...", of exactly so many parts, none of them empty.
absl::StatusOr<std::vector<std::string>> Parts(absl::string_view option, const std::string& value,
                                               size_t count) {
  std::vector<std::string> parts = absl::StrSplit(value, ',');
  const bool empty = std::find(parts.begin(), parts.end(), "") != parts.end();
  if (parts.size() == count && !empty) return parts;
  return absl::InvalidArgumentError(
      absl::StrCat(option, ": ", Quote(value), " has not ", count, " parts with commas between"));
}

// crosvm's ways to say what a network device is; returns its socket.
absl::StatusOr<std::string> ReadTap(const DeviceNetLine& line, NetConfig& net) {
  if (line.has_tap_fd()) {
    ASSIGN_OR_RETURN(const std::vector<std::string> parts, Parts("--tap-fd", line.tap_fd(), 2));
    int32_t fd = -1;
    if (!absl::SimpleAtoi(parts[1], &fd) || fd < 0) {
      return absl::InvalidArgumentError(
          absl::StrCat("--tap-fd: ", Quote(parts[1]), " is no descriptor"));
    }
    net.set_tap_fd(fd);
    return parts[0];
  }
  if (line.has_tap_name()) {
    ASSIGN_OR_RETURN(const std::vector<std::string> parts, Parts("--tap-name", line.tap_name(), 2));
    net.set_tap_name(parts[1]);
    return parts[0];
  }
  ASSIGN_OR_RETURN(const std::vector<std::string> parts, Parts("--device", line.device(), 4));
  net.set_host_ip(parts[1]);
  net.set_netmask(parts[2]);
  net.set_mac(parts[3]);
  return parts[0];
}

// One function for each type: what of the line is the device's own.

absl::Status ReadDevice(const DeviceRngLine& /*line*/, DeviceLine& result) {
  result.device = RngDeviceConfig{};
  return absl::OkStatus();
}

absl::Status ReadDevice(const DeviceBlockLine& line, DeviceLine& result) {
  if (line.has_file() == line.has_block()) {
    return absl::InvalidArgumentError("either --file or --block says what the disk is");
  }
  BlockConfig block = line.block();
  if (line.has_file()) {
    absl::string_view path = line.file();
    block.set_ro(absl::ConsumeSuffix(&path, ":read-only"));
    block.set_path(std::string(path));
    block.set_sparse(false);
  }
  result.device = std::move(block);
  return absl::OkStatus();
}

absl::Status ReadDevice(const DeviceNetLine& line, DeviceLine& result) {
  const int said = line.has_net() + line.has_tap_fd() + line.has_tap_name() + line.has_device();
  if (said == 0) return absl::InvalidArgumentError("--net is missing");
  if (said > 1) {
    return absl::InvalidArgumentError(
        "one of --net, --tap-fd, --tap-name and --device, each device "
        "has a process of its own");
  }
  if (line.has_net()) {
    if (line.has_mrg_rxbuf()) {
      return absl::InvalidArgumentError("--mrg-rxbuf is a key of --net where that is given");
    }
    result.device = line.net();
    return absl::OkStatus();
  }
  if (result.socket_path.has_value()) {
    return absl::InvalidArgumentError("the socket is given twice");
  }
  NetConfig net;
  net.set_mrg_rxbuf(line.mrg_rxbuf());
  ASSIGN_OR_RETURN(result.socket_path, ReadTap(line, net));
  result.device = std::move(net);
  return absl::OkStatus();
}

absl::Status ReadDevice(const DeviceVsockLine& line, DeviceLine& result) {
  if (line.has_cid() == line.has_vsock() || (line.has_vsock() && line.has_vhost_socket())) {
    return absl::InvalidArgumentError("either --cid or --vsock says what the device is");
  }
  VsockConfig vsock = line.vsock();
  if (line.has_cid()) vsock.set_cid(line.cid());
  if (line.has_vhost_socket()) vsock.set_device(line.vhost_socket());
  result.device = std::move(vsock);
  return absl::OkStatus();
}

absl::Status ReadDevice(const DeviceConsoleLine& line, DeviceLine& result) {
  std::vector<SerialConfig> ports(line.port().begin(), line.port().end());
  if (line.has_output_file() || line.has_input_file() || line.syslog()) {
    if (!ports.empty()) {
      return absl::InvalidArgumentError("--port excludes --output-file, --input-file and --syslog");
    }
    if (line.has_output_file() && line.syslog()) {
      return absl::InvalidArgumentError("--syslog excludes --output-file");
    }
    SerialConfig& port = ports.emplace_back();
    port.set_hardware(SerialConfig::LEGACY_VIRTIO_CONSOLE);
    if (line.has_output_file()) {
      port.set_type(SerialConfig::FILE);
      port.set_path(line.output_file());
    }
    if (line.syslog()) port.set_type(SerialConfig::SYSLOG);
    if (line.has_input_file()) port.set_input(line.input_file());
  } else {
    if (ports.empty()) return absl::InvalidArgumentError("a port is missing: --port");
    for (SerialConfig& port : ports) port.set_hardware(SerialConfig::VIRTIO_CONSOLE);
  }
  result.device = std::move(ports);
  return absl::OkStatus();
}

template <typename Line>
absl::StatusOr<DeviceLine> Parse(Arguments arguments) {
  Line line;
  RETURN_IF_ERROR(ParseCommandLine(arguments, line));
  std::vector<std::string> errors;
  CheckSchema(line, errors);
  if (!errors.empty()) return absl::InvalidArgumentError(errors[0]);
  DeviceLine result;
  if (line.has_socket_path()) result.socket_path = line.socket_path();
  if (line.has_fd()) result.fd = line.fd();
  RETURN_IF_ERROR(ReadDevice(line, result));
  if (result.socket_path.has_value() == result.fd.has_value()) {
    return absl::InvalidArgumentError("either --socket-path or --fd says where the monitor is");
  }
  return result;
}

struct Type {
  absl::string_view name;
  absl::StatusOr<DeviceLine> (*parse)(Arguments arguments);
  const Descriptor* (*schema)();
};

constexpr Type kTypes[] = {
    {"block", Parse<DeviceBlockLine>, SchemaOf<DeviceBlockLine>},
    {"console", Parse<DeviceConsoleLine>, SchemaOf<DeviceConsoleLine>},
    {"net", Parse<DeviceNetLine>, SchemaOf<DeviceNetLine>},
    {"rng", Parse<DeviceRngLine>, SchemaOf<DeviceRngLine>},
    {"vsock", Parse<DeviceVsockLine>, SchemaOf<DeviceVsockLine>},
};

std::vector<std::string> TypeNames() {
  std::vector<std::string> names;
  for (const Type& type : kTypes) names.emplace_back(type.name);
  return names;
}

}  // namespace

absl::StatusOr<DeviceLine> ParseDeviceLine(Arguments arguments) {
  if (arguments.empty()) {
    return absl::InvalidArgumentError(
        absl::StrCat("the type is missing, one of ", absl::StrJoin(TypeNames(), ", ")));
  }
  for (const Type& type : kTypes) {
    if (type.name != arguments[0]) continue;
    absl::StatusOr<DeviceLine> line = type.parse(arguments.subspan(1));
    if (!line.ok()) return Annotate(line.status(), type.name);
    return line;
  }
  const std::vector<std::string> names = TypeNames();
  return absl::InvalidArgumentError(absl::StrCat("unknown type ", Quote(arguments[0]),
                                                 ", the types are ", absl::StrJoin(names, ", "),
                                                 DidYouMean(arguments[0], names)));
}

std::string DeviceHelp(Arguments arguments) {
  for (const Type& type : kTypes) {
    if (arguments.empty() || arguments[0] != type.name) continue;
    return absl::StrCat("Usage: touchstone device ", type.name, " <options>\n\n",
                        OptionsHelp({type.schema()}));
  }
  return absl::StrCat("Usage: touchstone device TYPE <options>\n\n  TYPE is one of ",
                      absl::StrJoin(TypeNames(), ", "),
                      "; touchstone device TYPE --help explains its options.\n");
}

}  // namespace touchstone
