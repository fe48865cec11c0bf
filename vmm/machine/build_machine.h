// Builds a machine from its configuration, in the order that ARCHITECTURE.md's "life of a machine"
// gives.

#ifndef TOUCHSTONE_VMM_MACHINE_BUILD_MACHINE_H_
#define TOUCHSTONE_VMM_MACHINE_BUILD_MACHINE_H_

#include <memory>

#include "absl/functional/any_invocable.h"
#include "absl/status/statusor.h"
#include "vmm/config/config.pb.h"
#include "vmm/machine/machine.h"
#include "vmm/machine/machine_host.h"

namespace touchstone {

// `config` is validated and has its defaults applied (vmm/config/validate.h). `on_end` is called
// once, on any thread, when the run ends. Errors are one line that names the option, file or call,
// and the reason.
absl::StatusOr<std::unique_ptr<Machine>> BuildMachine(const RunConfig& config,
                                                      const MachineHost& host,
                                                      absl::AnyInvocable<void()> on_end);

}  // namespace touchstone

#endif  // TOUCHSTONE_VMM_MACHINE_BUILD_MACHINE_H_
