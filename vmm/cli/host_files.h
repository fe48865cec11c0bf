// Whether the files of a configuration are there and may be used.

#ifndef TOUCHSTONE_VMM_CLI_HOST_FILES_H_
#define TOUCHSTONE_VMM_CLI_HOST_FILES_H_

#include <string>
#include <vector>

#include "vmm/config/config.pb.h"

namespace touchstone {

// A line for each file that does not exist, or that this process may not read, or write where it
// would: the option, the path and the reason. Those that devices make or connect to are not looked
// at. To be asked once a machine could not be built: what builds it stops at the first. None of a
// process that has confined itself.
std::vector<std::string> CheckHostFiles(const RunConfig& config);

}  // namespace touchstone

#endif  // TOUCHSTONE_VMM_CLI_HOST_FILES_H_
