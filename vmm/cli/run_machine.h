// `touchstone run`: builds the machine of a configuration on KVM and runs it to its end.

#ifndef TOUCHSTONE_VMM_CLI_RUN_MACHINE_H_
#define TOUCHSTONE_VMM_CLI_RUN_MACHINE_H_

#include "absl/status/statusor.h"
#include "vmm/cli/exit_code.h"
#include "vmm/config/config.pb.h"

namespace touchstone {

// Runs on the calling thread until the guest ends the run, or SIGINT or SIGTERM does (kOk).
// REQUIRES: `config` is valid with its defaults applied, and the process has no other threads.
absl::StatusOr<ExitCode> RunMachine(const RunConfig& config);

}  // namespace touchstone

#endif  // TOUCHSTONE_VMM_CLI_RUN_MACHINE_H_
