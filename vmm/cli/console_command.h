// The sub-command that attaches a terminal to the console of a running machine.
//
//   touchstone console [--index N] VM_SOCKET
//
// The program makes a pair of sockets, and sends the machine one of them. From then on what the
// guest writes comes to standard output, and what is typed goes to the guest as it is, Ctrl-C too.
// On a terminal Ctrl-] ends it. The guest goes on in any case.

#ifndef TOUCHSTONE_VMM_CLI_CONSOLE_COMMAND_H_
#define TOUCHSTONE_VMM_CLI_CONSOLE_COMMAND_H_

#include <cstdint>
#include <functional>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/optional.h"
#include "absl/types/span.h"
#include "base/fd_socket.h"

namespace touchstone {

struct ConsoleLine {
  std::string socket;
  absl::optional<uint32_t> index;  // Of --serial, the first is 0; none: the machine's console.
};

// InvalidArgument says what is wrong.
absl::StatusOr<ConsoleLine> ParseConsoleLine(absl::Span<const absl::string_view> arguments);

// The end of a console, as the machine has made it.
struct AttachedConsole {
  FdSocket socket;
  std::string name;  // "COM1"
};
// Errors are those of SendControlRequest, and what the machine says.
absl::StatusOr<AttachedConsole> AttachConsole(const ConsoleLine& line);

// Moves bytes until the machine ends or, if `input` is a terminal (which is raw), Ctrl-] is typed.
// The end of other input ends nothing. Keys that the guest does not take are lost beyond a bounded
// number. The descriptors are borrowed. Errors name the call.
absl::Status ShowConsole(const FdSocket& console, int input, bool terminal, int output);

// All of it, on standard input and output; `say` shows the user a line, if there is a terminal,
// which is raw meanwhile.
absl::Status RunConsole(const ConsoleLine& line, const std::function<void(absl::string_view)>& say);

}  // namespace touchstone

#endif  // TOUCHSTONE_VMM_CLI_CONSOLE_COMMAND_H_
