// What several options say of the same thing (crosvm.md 1.3): places on the PCI bus, ranges of
// guest addresses, virtual CPUs.

#ifndef TOUCHSTONE_VMM_CONFIG_CONFLICT_CHECKS_H_
#define TOUCHSTONE_VMM_CONFIG_CONFLICT_CHECKS_H_

#include <string>
#include <vector>

#include "vmm/config/config.pb.h"

namespace touchstone {

// Appends a line for each PCI address that is taken twice, each pair of file-backed mappings or of
// reserved ranges that overlap, and each virtual CPU that is named but not there. What an option
// says that is wrong by itself is other checks' business.
void CheckConflicts(const RunConfig& config, std::vector<std::string>& errors);

}  // namespace touchstone

#endif  // TOUCHSTONE_VMM_CONFIG_CONFLICT_CHECKS_H_
