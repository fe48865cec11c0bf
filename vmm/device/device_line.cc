#include "vmm/device/device_line.h"

#include <algorithm>
#include <set>
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
absl::StatusOr<std::vector<std::string>> Parts(absl::string_view option, absl::string_view value,
                                               size_t count) {
  std::vector<std::string> parts = absl::StrSplit(value, ',');
  const bool empty = std::find(parts.begin(), parts.end(), "") != parts.end();
  if (parts.size() == count && !empty) return parts;
  return absl::InvalidArgumentError(
      absl::StrCat(option, ": ", Quote(value), " has not ", count, " parts with commas between"));
}

// crosvm's ways to say what a network device is, and where its monitor is.

absl::StatusOr<DeviceLine> ReadTapFd(absl::string_view value) {
  ASSIGN_OR_RETURN(const std::vector<std::string> parts, Parts("--tap-fd", value, 2));
  int32_t fd = -1;
  if (!absl::SimpleAtoi(parts[1], &fd) || fd < 0) {
    return absl::InvalidArgumentError(
        absl::StrCat("--tap-fd: ", Quote(parts[1]), " is no descriptor"));
  }
  NetConfig net;
  net.set_tap_fd(fd);
  return DeviceLine{.socket_path = parts[0], .fd = std::nullopt, .device = std::move(net)};
}

absl::StatusOr<DeviceLine> ReadTapName(absl::string_view value) {
  ASSIGN_OR_RETURN(const std::vector<std::string> parts, Parts("--tap-name", value, 2));
  NetConfig net;
  net.set_tap_name(parts[1]);
  return DeviceLine{.socket_path = parts[0], .fd = std::nullopt, .device = std::move(net)};
}

absl::StatusOr<DeviceLine> ReadOwnTap(absl::string_view value) {
  ASSIGN_OR_RETURN(const std::vector<std::string> parts, Parts("--device", value, 4));
  NetConfig net;
  net.set_host_ip(parts[1]);
  net.set_netmask(parts[2]);
  net.set_mac(parts[3]);
  return DeviceLine{.socket_path = parts[0], .fd = std::nullopt, .device = std::move(net)};
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

// What --net says; other devices are in ReadTaps.
absl::Status ReadDevice(const DeviceNetLine& line, DeviceLine& result) {
  if (!line.has_net()) return absl::InvalidArgumentError("--net is missing");
  if (line.has_mrg_rxbuf()) {
    return absl::InvalidArgumentError("--mrg-rxbuf is a key of --net where that is given");
  }
  result.device = line.net();
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

// The devices that bring their own sockets.
template <typename Line>
absl::StatusOr<std::vector<DeviceLine>> ReadTaps(const Line& /*line*/) {
  return std::vector<DeviceLine>();
}

absl::StatusOr<std::vector<DeviceLine>> ReadTaps(const DeviceNetLine& line) {
  std::vector<DeviceLine> taps;
  const auto add = [&taps](const auto& values, auto read) {
    for (const std::string& value : values) {
      absl::StatusOr<DeviceLine> tap = read(value);
      if (!tap.ok()) return tap.status();
      taps.push_back(*std::move(tap));
    }
    return absl::OkStatus();
  };
  RETURN_IF_ERROR(add(line.tap_fd(), ReadTapFd));
  RETURN_IF_ERROR(add(line.tap_name(), ReadTapName));
  RETURN_IF_ERROR(add(line.device(), ReadOwnTap));
  std::set<std::string> sockets;
  for (DeviceLine& tap : taps) {
    std::get<NetConfig>(tap.device).set_mrg_rxbuf(line.mrg_rxbuf());
    if (sockets.insert(*tap.socket_path).second) continue;
    return absl::InvalidArgumentError(
        absl::StrCat("two devices have the socket ", Quote(*tap.socket_path)));
  }
  if (!taps.empty() && (line.has_net() || line.has_socket_path() || line.has_fd())) {
    return absl::InvalidArgumentError(
        "--net and its socket exclude --tap-fd, --tap-name and --device, which have their own");
  }
  return taps;
}

template <typename Line>
absl::StatusOr<std::vector<DeviceLine>> Parse(Arguments arguments) {
  Line line;
  RETURN_IF_ERROR(ParseCommandLine(arguments, line));
  std::vector<std::string> errors;
  CheckSchema(line, errors);
  if (!errors.empty()) return absl::InvalidArgumentError(errors[0]);
  ASSIGN_OR_RETURN(std::vector<DeviceLine> taps, ReadTaps(line));
  if (!taps.empty()) return taps;
  DeviceLine result;
  if (line.has_socket_path()) result.socket_path = line.socket_path();
  if (line.has_fd()) result.fd = line.fd();
  RETURN_IF_ERROR(ReadDevice(line, result));
  if (result.socket_path.has_value() == result.fd.has_value()) {
    return absl::InvalidArgumentError("either --socket-path or --fd says where the monitor is");
  }
  return std::vector<DeviceLine>{std::move(result)};
}

struct Type {
  absl::string_view name;
  absl::StatusOr<std::vector<DeviceLine>> (*parse)(Arguments arguments);
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

absl::StatusOr<std::vector<DeviceLine>> ParseDeviceLines(Arguments arguments) {
  if (arguments.empty()) {
    return absl::InvalidArgumentError(
        absl::StrCat("the type is missing, one of ", absl::StrJoin(TypeNames(), ", ")));
  }
  for (const Type& type : kTypes) {
    if (type.name != arguments[0]) continue;
    absl::StatusOr<std::vector<DeviceLine>> lines = type.parse(arguments.subspan(1));
    if (!lines.ok()) return Annotate(lines.status(), type.name);
    return lines;
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
