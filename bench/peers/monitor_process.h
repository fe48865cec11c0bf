// A monitor that runs a guest, and the lines that the guest prints on its serial port.
//
//   ASSIGN_OR_RETURN(const auto monitor, MonitorProcess::Start(command));
//   ASSIGN_OR_RETURN(std::string line, monitor->AwaitLine("load end ", absl::Seconds(10)));
//
// Thread-compatible.

#ifndef TOUCHSTONE_BENCH_PEERS_MONITOR_PROCESS_H_
#define TOUCHSTONE_BENCH_PEERS_MONITOR_PROCESS_H_

#include <sys/types.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "base/scoped_fd.h"

namespace touchstone {

class MonitorProcess {
 public:
  // Starts `command` (argv, looked up in PATH) with standard input from /dev/null and standard
  // error left where it is. The guest's serial port is its standard output.
  static absl::StatusOr<std::unique_ptr<MonitorProcess>> Start(
      const std::vector<std::string>& command);
  // Kills it, if it was not terminated.
  ~MonitorProcess();
  MonitorProcess(const MonitorProcess&) = delete;
  MonitorProcess& operator=(const MonitorProcess&) = delete;

  // Waits for a line that begins so, and returns what follows, without the line's end. Lines before
  // it are dropped. An error has them all, when the output ended or the time is up.
  absl::StatusOr<std::string> AwaitLine(absl::string_view prefix, absl::Duration limit);

  // Asks it to end (SIGTERM) and waits for that; DeadlineExceeded when it does not.
  absl::Status Terminate(absl::Duration limit);

  // REQUIRES: it was not terminated.
  [[nodiscard]] pid_t pid() const { return pid_; }

 private:
  MonitorProcess(pid_t pid, ScopedFd output) : pid_(pid), output_(std::move(output)) {}

  pid_t pid_;  // -1: gone.
  const ScopedFd output_;
  std::string unread_;
};

// QEMU with KVM, 1 processor and no devices but a serial port, for `machine` ("pc"); further
// options follow the returned ones.
std::vector<std::string> QemuCommand(absl::string_view machine, uint64_t memory_mib,
                                     absl::string_view kernel, absl::string_view initramfs,
                                     absl::string_view kernel_command_line);

}  // namespace touchstone

#endif  // TOUCHSTONE_BENCH_PEERS_MONITOR_PROCESS_H_
