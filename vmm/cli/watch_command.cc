#include "vmm/cli/watch_command.h"

#include <dirent.h>
#include <errno.h>

#include <algorithm>
#include <memory>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "base/status.h"
#include "vmm/cli/status_text.h"
#include "vmm/config/text.h"
#include "vmm/control/control_client.h"
#include "vmm/control/control_socket.h"

namespace touchstone {
namespace {

// A machine answers within a turn of its loop.
constexpr absl::Duration kPatience = absl::Seconds(5);

absl::Status UnknownOption(absl::string_view option) {
  return absl::InvalidArgumentError(absl::StrCat("unknown option ", Quote(option)));
}

absl::StatusOr<std::vector<std::string>> SocketsIn(const std::string& folder) {
  std::vector<std::string> sockets;
  const std::unique_ptr<DIR, int (*)(DIR*)> entries(opendir(folder.c_str()), closedir);
  if (entries == nullptr) {
    if (errno == ENOENT) return sockets;
    return ErrnoStatus(errno, folder);
  }
  // errno tells an end from an error.
  while (errno = 0, true) {
    const dirent* const entry = readdir(entries.get());
    if (entry == nullptr) break;
    if (!absl::EndsWith(entry->d_name, ".sock")) continue;
    sockets.push_back(absl::StrCat(folder, "/", entry->d_name));
  }
  if (errno != 0) return ErrnoStatus(errno, folder);
  std::sort(sockets.begin(), sockets.end());
  return sockets;
}

}  // namespace

absl::StatusOr<MachineStatus> AskStatus(const std::string& socket, absl::Duration patience) {
  ControlRequest request;
  request.set_command(ControlRequest::STATUS);
  ASSIGN_OR_RETURN(ControlResponse response, SendControlRequest(socket, request, patience));
  if (response.error() == 0 && response.has_status()) return std::move(*response.mutable_status());
  return absl::UnavailableError(absl::StrCat(
      socket, ": ", response.text().empty() ? "no status in the answer" : response.text()));
}

absl::StatusOr<StatusLine> ParseStatusLine(absl::Span<const absl::string_view> arguments) {
  StatusLine line;
  std::vector<absl::string_view> operands;
  bool options = true;
  for (const absl::string_view argument : arguments) {
    if (!options || argument == "-" || !absl::StartsWith(argument, "-")) {
      operands.push_back(argument);
    } else if (argument == "--") {
      options = false;
    } else if (argument == "--json") {
      line.json = true;
    } else {
      return UnknownOption(argument);
    }
  }
  if (operands.empty()) return absl::InvalidArgumentError("VM_SOCKET is missing");
  if (operands.size() > 1) {
    return absl::InvalidArgumentError(absl::StrCat("unexpected argument ", Quote(operands[1])));
  }
  line.socket = std::string(operands[0]);
  return line;
}

absl::StatusOr<std::string> ShowStatus(const StatusLine& line, absl::Duration interval) {
  ASSIGN_OR_RETURN(const MachineStatus earlier, AskStatus(line.socket, kPatience));
  if (line.json) return StatusJson(earlier);
  absl::SleepFor(interval);
  ASSIGN_OR_RETURN(const MachineStatus later, AskStatus(line.socket, kPatience));
  return StatusTable(earlier, later);
}

absl::StatusOr<std::string> ParseListLine(absl::Span<const absl::string_view> arguments) {
  if (arguments.empty()) return DefaultSocketFolder();
  if (arguments[0].size() > 1 && arguments[0][0] == '-') return UnknownOption(arguments[0]);
  if (arguments.size() > 1) {
    return absl::InvalidArgumentError(absl::StrCat("unexpected argument ", Quote(arguments[1])));
  }
  return std::string(arguments[0]);
}

absl::StatusOr<MachineList> ListMachines(const std::string& folder) {
  ASSIGN_OR_RETURN(const std::vector<std::string> sockets, SocketsIn(folder));
  MachineList list;
  for (const std::string& socket : sockets) {
    const absl::StatusOr<MachineStatus> status = AskStatus(socket, kPatience);
    if (!status.ok()) {
      list.silent.emplace_back(status.status().message());
      continue;
    }
    if (list.text.empty()) list.text = MachineListHeading();
    absl::StrAppend(&list.text, MachineListLine(socket, *status));
  }
  return list;
}

}  // namespace touchstone
