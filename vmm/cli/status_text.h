// What `touchstone status` and `touchstone list` print.
//
// Functions of their arguments: thread-safe.

#ifndef TOUCHSTONE_VMM_CLI_STATUS_TEXT_H_
#define TOUCHSTONE_VMM_CLI_STATUS_TEXT_H_

#include <string>

#include "absl/strings/string_view.h"
#include "vmm/control/machine_status.pb.h"

namespace touchstone {

// Everything, as one JSON object. Counts are totals; `uptime_us` of two calls makes rates of them.
std::string StatusJson(const MachineStatus& status);

// For people. Counts are events a second between the two moments; kinds that never happened are
// left out.
std::string StatusTable(const MachineStatus& earlier, const MachineStatus& later);

// One line of a list of machines, the first their heading.
std::string MachineListHeading();
std::string MachineListLine(absl::string_view socket, const MachineStatus& status);

}  // namespace touchstone

#endif  // TOUCHSTONE_VMM_CLI_STATUS_TEXT_H_
