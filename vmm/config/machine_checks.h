// The rules of the options that shape the machine: tables, processors, memory, PCI (crosvm.md 1.3).

#ifndef TOUCHSTONE_VMM_CONFIG_MACHINE_CHECKS_H_
#define TOUCHSTONE_VMM_CONFIG_MACHINE_CHECKS_H_

#include <string>
#include <vector>

#include "vmm/config/config.pb.h"
#include "vmm/config/host_limits.h"

namespace touchstone {

// Appends what is wrong, one line each. For Validate.
void CheckMachineOptions(const RunConfig& config, const HostLimits& host,
                         std::vector<std::string>& errors);

}  // namespace touchstone

#endif  // TOUCHSTONE_VMM_CONFIG_MACHINE_CHECKS_H_
