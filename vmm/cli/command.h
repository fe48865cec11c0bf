// The command line of the program, without the machine: sub-commands, help, messages, exit codes.
//
//   int main(int argc, char** argv) {
//     return Main({argv + 1, argv + argc}, {.out = ..., .err = ..., .run = RunMachine});
//   }
//
// Thread-compatible; no global state but the log levels.

#ifndef TOUCHSTONE_VMM_CLI_COMMAND_H_
#define TOUCHSTONE_VMM_CLI_COMMAND_H_

#include <functional>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "base/log.h"
#include "base/system_log.h"
#include "vmm/cli/exit_code.h"
#include "vmm/cli/text_file.h"
#include "vmm/config/config.pb.h"
#include "vmm/control/control.pb.h"
#include "vmm/control/control_client.h"
#include "vmm/control/snapshot_client.h"
#include "vmm/device/device_line.h"

namespace touchstone {

struct CommandContext {
  // Write to standard output and standard error: whole lines, at once.
  std::function<void(absl::string_view)> out;
  std::function<void(absl::string_view)> err;
  // Builds and runs the machine of a valid configuration with defaults applied. An error is printed
  // and exits with 1.
  std::function<absl::StatusOr<ExitCode>(const RunConfig&)> run;
  // Serves devices until their monitors go. An error is printed and exits with 1.
  std::function<absl::Status(const std::vector<DeviceLine>&)> run_devices = {};
  // Sends a request to the machine with this control socket, and waits for its answer.
  std::function<absl::StatusOr<ControlResponse>(const std::string& socket,
                                                const ControlRequest& request)>
      send_control = [](const std::string& socket, const ControlRequest& request) {
        return SendControlRequest(socket, request);
      };
  // Has a machine write a snapshot.
  std::function<absl::StatusOr<ControlResponse>(const SnapshotOrder& order,
                                                const ControlProgress& progress)>
      take_snapshot = TakeSnapshot;
  // Writes to the terminal that shows standard error, parts of lines; null without one.
  std::function<void(absl::string_view)> terminal = nullptr;
  // Reads a configuration file, and writes one.
  std::function<absl::StatusOr<std::string>(const std::string& path)> read_file = ReadTextFile;
  std::function<absl::Status(const std::string& path, absl::string_view text)> write_file =
      WriteTextFile;
  // Puts --log-level into force.
  std::function<absl::Status(absl::string_view)> set_log_levels = SetLogLevels;
  // Starts to copy the log to the system log under this tag.
  std::function<absl::Status(absl::string_view tag)> start_system_log = [](absl::string_view tag) {
    return StartSystemLog(tag);
  };
};

// Runs the program with `arguments`, its own name left out, and returns the process's exit code
// (crosvm.md 2.3). Every mistake is one line on standard error that begins with "touchstone: ".
int Main(absl::Span<const absl::string_view> arguments, const CommandContext& context);

}  // namespace touchstone

#endif  // TOUCHSTONE_VMM_CLI_COMMAND_H_
