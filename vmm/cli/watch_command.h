// The sub-commands that look at running machines: status and list.
//
//   touchstone status [--json] VM_SOCKET
//   touchstone list [FOLDER]

#ifndef TOUCHSTONE_VMM_CLI_WATCH_COMMAND_H_
#define TOUCHSTONE_VMM_CLI_WATCH_COMMAND_H_

#include <functional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "vmm/control/machine_status.pb.h"

namespace touchstone {

// Asks a machine how it is. An error names the socket; a machine that does not answer within
// `patience` is Unavailable. Thread-safe.
absl::StatusOr<MachineStatus> AskStatus(const std::string& socket, absl::Duration patience);

struct StatusLine {
  bool json = false;
  std::string socket;
};
// InvalidArgument says what is wrong.
absl::StatusOr<StatusLine> ParseStatusLine(absl::Span<const absl::string_view> arguments);

// What the command prints: for people, of what happens within `interval`.
absl::StatusOr<std::string> ShowStatus(const StatusLine& line, absl::Duration interval);

// The folder, the default one unless it is named (control_socket.h).
absl::StatusOr<std::string> ParseListLine(absl::Span<const absl::string_view> arguments);

struct MachineList {
  std::string text;
  // Of sockets that nobody answers at; the others are listed all the same.
  std::vector<std::string> silent;
};
// Of the sockets, NAME.sock, in `folder`, by name. A folder that is not there has none; an error
// names one that cannot be read.
absl::StatusOr<MachineList> ListMachines(const std::string& folder);

}  // namespace touchstone

#endif  // TOUCHSTONE_VMM_CLI_WATCH_COMMAND_H_
