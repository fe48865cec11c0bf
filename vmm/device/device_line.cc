#include "vmm/device/device_line.h"

#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
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
  if (!line.has_net()) return absl::InvalidArgumentError("--net is missing");
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
  if (line.has_output_file() || line.has_input_file()) {
    if (!ports.empty()) {
      return absl::InvalidArgumentError("--port excludes --output-file and --input-file");
    }
    SerialConfig& port = ports.emplace_back();
    port.set_hardware(SerialConfig::LEGACY_VIRTIO_CONSOLE);
    if (line.has_output_file()) {
      port.set_type(SerialConfig::FILE);
      port.set_path(line.output_file());
    }
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
  if (line.has_socket_path() == line.has_fd()) {
    return absl::InvalidArgumentError("either --socket-path or --fd says where the monitor is");
  }
  DeviceLine result;
  if (line.has_socket_path()) result.socket_path = line.socket_path();
  if (line.has_fd()) result.fd = line.fd();
  RETURN_IF_ERROR(ReadDevice(line, result));
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
  std::string help;
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
