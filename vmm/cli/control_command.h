// The sub-commands that talk to a running machine over its control socket (crosvm.md 2.2): what
// they ask, and what they print.
//
//   touchstone stop VM_SOCKET
//
// Functions of their arguments: thread-safe.

#ifndef TOUCHSTONE_VMM_CLI_CONTROL_COMMAND_H_
#define TOUCHSTONE_VMM_CLI_CONTROL_COMMAND_H_

#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "vmm/control/control.pb.h"

namespace touchstone {

// A command line, read.
struct ControlCall {
  std::string socket;  // The last operand.
  ControlRequest request;
};

// Whether there is such a sub-command.
bool IsControlCommand(absl::string_view name);

// Reads what follows the name of the sub-command. InvalidArgument says what is wrong there.
// REQUIRES: IsControlCommand(name).
absl::StatusOr<ControlCall> ParseControlCommand(absl::string_view name,
                                                absl::Span<const absl::string_view> arguments);

// What goes to standard output; empty for nothing. An error answer is in crosvm's words (2.1).
std::string ControlOutput(const ControlRequest& request, const ControlResponse& response);

}  // namespace touchstone

#endif  // TOUCHSTONE_VMM_CLI_CONTROL_COMMAND_H_
